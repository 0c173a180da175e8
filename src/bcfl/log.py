# SPDX-License-Identifier: Apache-2.0
"""structlog set-up: plain lines on standard error, JSON lines to a file, secrets scrubbed from both."""

from __future__ import annotations

import logging
import re
import sys
import urllib.parse
from collections.abc import MutableMapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

import structlog

__all__ = ("configure", "public_url")

_SECRET_NAME = re.compile(r"(secret|private|password|passphrase|mnemonic|salt|keystore)", re.IGNORECASE)

_LARGEST, _KEPT = 32 * 1024 * 1024, 3


def configure(
    *,
    level: str = "warning",
    json_file: Path | None = None,
    stream: TextIO | None = None,
    rotate: bool = False,
) -> None:
    """Send structlog events of ``level`` and above to ``stream``, a line each, and all of them, as JSON with their tracebacks, to
    ``json_file``.

    Args:
        level: the least level shown on the stream: ``debug``, ``info``, ``warning`` or ``error``.
        json_file: appended to, one JSON object a line, whatever the level.
        stream: standard error by default.
        rotate: begin the file anew where it grows long, and keep the few before it: for programs that live for weeks.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _scrub,
    ]
    root = logging.getLogger("bcfl")
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    root.setLevel(logging.DEBUG)
    root.propagate = False

    console = logging.StreamHandler(stream or sys.stderr)
    console.setLevel(level.upper())
    line = structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    console.setFormatter(_formatter(shared, _without_traceback, line))
    root.addHandler(console)
    if json_file is not None:
        file = (
            RotatingFileHandler(json_file, maxBytes=_LARGEST, backupCount=_KEPT, encoding="utf-8")
            if rotate
            else logging.FileHandler(json_file, encoding="utf-8")
        )
        as_json = structlog.processors.JSONRenderer(sort_keys=True)
        file.setFormatter(_formatter(shared, structlog.processors.format_exc_info, as_json))
        root.addHandler(file)

    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def public_url(url: str) -> str:
    """What of a URL may be shown and stored: scheme, host and port. Providers put keys into the rest."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    try:
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        port = ""
    hidden = "/…" if parts.path.strip("/") or parts.query else ""
    return f"{parts.scheme}://{host}{port}{hidden}"


def _formatter(shared: list[Any], *then: Any) -> logging.Formatter:  # noqa: ANN401 - structlog's own type is Any
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *then,
        ],
    )


def _without_traceback(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The error that ends a traceback; of several, the first."""
    given = event.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else sys.exc_info()[1] if given is True else None
    if isinstance(given, tuple):
        error = given[1]
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if error is not None:
        event["error"] = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return event


def _scrub(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in event:
        if _SECRET_NAME.search(name):
            event[name] = "(hidden)"
    return event
