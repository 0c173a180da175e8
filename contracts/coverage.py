# SPDX-License-Identifier: Apache-2.0
"""Line and branch coverage of the contracts by their tests; status 1 below 95 % (``make contracts-coverage``)."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent
LEAST = 95.0
COMMAND = (
    "node_modules/.bin/forge", "coverage", "--offline", "--use", "./solc-offline", "--ir-minimum",
    "--no-match-contract", "Gas|Scale", "--report", "lcov", "--report-file",
)  # fmt: skip


def totals(lcov: str) -> Counter[str]:
    """Sums of lcov's LF, LH (lines found, hit), BRF and BRH (branches) over files under ``src``."""
    found: Counter[str] = Counter()
    ours = False
    for line in lcov.splitlines():
        key, _, value = line.partition(":")
        if key == "SF":
            ours = value.startswith("src/")
        elif ours and key in {"LF", "LH", "BRF", "BRH"}:
            found[key] += int(value)
    return found


def main() -> int:
    """Measure, print and judge."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "lcov.info")
        done = subprocess.run([*COMMAND, str(report)], cwd=ROOT, check=False, capture_output=True, text=True)  # noqa: S603
        if done.returncode:
            sys.stderr.write(done.stdout[-3000:] + done.stderr[-3000:])
            return 1
        found = totals(report.read_text(encoding="utf-8"))
    lines = 100 * found["LH"] / found["LF"]
    branches = 100 * found["BRH"] / found["BRF"]
    sys.stdout.write(
        f"contracts: lines {lines:.1f} %, branches {branches:.1f} % (at least {LEAST:.0f} % each)\n"
    )
    return 0 if min(lines, branches) >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
