# SPDX-License-Identifier: Apache-2.0
"""``python -m benchmarks [--only NAME] [--quick]``, from the repository root: run, print, write ``benchmarks/results``."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio

from bcfl import log
from bcfl.errors import BcflError
from benchmarks.record import Record, write

__all__ = ("main",)

_RESULTS = Path(__file__).resolve().parent / "results"
_MODULES = (
    "latency",
    "catch_up",
    "codecs",
    "gas",
    "jobs",
    "kernel",
    "overhead",
    "restart",
    "rounds",
    "scores",
    "tables",
    "thousand",
    "watchers",
)


def main() -> None:
    """Run all benchmarks, or the one named."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Side-by-side benchmarks of bcfl."
    )
    parser.add_argument("--only", choices=_MODULES, help="run this one alone")
    parser.add_argument(
        "--quick", action="store_true", help="the same with less of everything, in about a minute"
    )
    options = parser.parse_args()
    log.configure()
    for name in [options.only] if options.only else _MODULES:
        measure: Callable[..., Awaitable[Record]] = importlib.import_module(f"benchmarks.{name}").measure
        began = time.perf_counter()
        try:
            # the loop that the command itself uses
            record = anyio.run(
                partial(measure, quick=options.quick), backend_options={"use_uvloop": sys.platform != "win32"}
            )
        except BcflError as error:
            sys.exit(str(error))
        path = write(record, _RESULTS, quick=options.quick, seconds=time.perf_counter() - began)
        print(f"{record.text()}\n(in {time.perf_counter() - began:.0f} s; {path})\n", flush=True)


if __name__ == "__main__":
    main()
