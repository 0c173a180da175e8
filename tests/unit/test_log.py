# SPDX-License-Identifier: Apache-2.0
"""Lines for people, JSON for machines, secrets for nobody."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog

from bcfl.log import configure, public_url


@pytest.fixture(autouse=True)
def _as_before():
    root = logging.getLogger("bcfl")
    before = (list(root.handlers), root.level, root.propagate)
    yield
    for handler in root.handlers:
        if handler not in before[0]:
            handler.close()
    root.handlers, root.level, root.propagate = before
    structlog.reset_defaults()


def _logger():
    return structlog.stdlib.get_logger("bcfl.test")


def test_the_stream_shows_its_level_and_above_and_the_file_everything(tmp_path):
    stream, file = io.StringIO(), tmp_path / "log.jsonl"
    configure(level="warning", json_file=file, stream=stream)
    _logger().info("quiet", round=1)
    _logger().warning("loud", round=2)
    assert "loud" in stream.getvalue()
    assert "quiet" not in stream.getvalue()
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [(line["event"], line["round"], line["level"]) for line in lines] == [
        ("quiet", 1, "info"),
        ("loud", 2, "warning"),
    ]
    assert lines[0]["logger"] == "bcfl.test"
    assert lines[0]["timestamp"].endswith("Z")


@pytest.mark.parametrize("name", ["secret", "private_key", "Password", "mnemonic", "salt", "keystore_path"])
def test_secrets_reach_neither(tmp_path, name):
    stream, file = io.StringIO(), tmp_path / "log.jsonl"
    configure(level="debug", json_file=file, stream=stream)
    _logger().info("unlocked", **{name: "0xdeadbeef"}, account="0xabc")
    for text in (stream.getvalue(), file.read_text(encoding="utf-8")):
        assert "deadbeef" not in text
        assert "(hidden)" in text
        assert "0xabc" in text


def test_bound_context_is_on_every_line():
    stream = io.StringIO()
    configure(level="info", stream=stream)
    with structlog.contextvars.bound_contextvars(agent="bob"):
        _logger().info("trained")
    _logger().info("idle")
    trained, idle = stream.getvalue().splitlines()
    assert "agent=bob" in trained
    assert "agent" not in idle


def test_a_failure_s_traceback_is_in_the_file(tmp_path):
    file = tmp_path / "log.jsonl"
    configure(level="error", json_file=file, stream=io.StringIO())
    try:
        int("no luck")
    except ValueError:
        _logger().exception("failed")
    (line,) = file.read_text(encoding="utf-8").splitlines()
    assert "ValueError: invalid literal" in json.loads(line)["exception"]


@pytest.mark.parametrize("grouped", [False, True])
def test_the_terminal_has_the_error_in_a_line_and_no_traceback(grouped):
    stream = io.StringIO()
    configure(level="error", stream=stream)
    try:
        raise ExceptionGroup("work", [ValueError("no\nluck")]) if grouped else ValueError("no\nluck")
    except (ValueError, ExceptionGroup):
        _logger().exception("failed", agent="bob")
    (line,) = stream.getvalue().splitlines()
    assert "error='ValueError: no luck'" in line
    assert "agent=bob" in line


def test_configuring_again_replaces_the_first(tmp_path):
    first, second = io.StringIO(), io.StringIO()
    configure(level="info", stream=first)
    configure(level="info", stream=second)
    _logger().info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1


def test_the_standard_library_s_loggers_below_ours_speak_the_same_way():
    stream = io.StringIO()
    configure(level="info", stream=stream)
    logging.getLogger("bcfl.other").info("plain %s", "text")
    assert "plain text" in stream.getvalue()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ws://127.0.0.1:8545", "ws://127.0.0.1:8545"),
        ("wss://user:secret@node.example/v3/0123456789abcdef", "wss://node.example/…"),
        ("wss://node.example:443/?key=1", "wss://node.example:443/…"),
        ("ws://[::1]:1", "ws://[::1]:1"),
    ],
)
def test_of_a_url_only_scheme_host_and_port_are_shown(url, shown):
    assert public_url(url) == shown
