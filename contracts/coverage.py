# SPDX-License-Identifier: Apache-2.0
"""Line and branch coverage of the contracts by their tests; status 1 below 95 % (``make contracts-coverage``).

Lines of assembly are left out: forge lists them but does not see them run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from bcfl.contracts.errors import ProgramMissing
from bcfl.contracts.toolchain import ROOT, program

LEAST = 95.0
ARGUMENTS = (
    "coverage", "--offline", "--use", "./solc-offline", "--ir-minimum",
    "--no-match-contract", "Cap|Gas|Scale", "--report", "lcov", "--report-file",
)  # fmt: skip


def totals(lcov: str) -> Counter[str]:
    """Lines found and hit (LF, LH) and branches found and hit (BRF, BRH), as lcov calls them, in files under ``src``.

    Not those of assembly blocks, of which forge sees nothing hit.
    """
    found: Counter[str] = Counter()
    ours = False
    assembly: set[int] = set()
    for line in lcov.splitlines():
        key, _, value = line.partition(":")
        if key == "SF":
            ours = value.startswith("src/")
            assembly = assembly_lines((ROOT / value).read_text(encoding="utf-8")) if ours else set()
        elif ours and key == "DA":
            number, hits = (int(part) for part in value.split(",")[:2])
            if number not in assembly:
                found["LF"] += 1
                found["LH"] += hits > 0
        elif ours and key == "BRDA":
            number, taken = int(value.split(",")[0]), value.rpartition(",")[2]
            if number not in assembly:
                found["BRF"] += 1
                found["BRH"] += taken not in {"-", "0"}
    return found


def assembly_lines(source: str) -> set[int]:
    """Numbers of the lines within assembly blocks of a formatted source: a block's brace closes at its indentation."""
    lines: set[int] = set()
    closing = None
    for number, line in enumerate(source.splitlines(), start=1):
        if closing is not None:
            lines.add(number)
            closing = None if line == closing else closing
        elif line.lstrip().startswith("assembly "):
            closing = line[: len(line) - len(line.lstrip())] + "}"
    return lines


def main() -> int:
    """Measure, print and judge."""
    try:
        forge = program("forge")
    except ProgramMissing as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "lcov.info")
        done = subprocess.run(  # noqa: S603 - our own compiler on our own sources
            [str(forge), *ARGUMENTS, str(report)], cwd=ROOT, check=False, capture_output=True, text=True
        )
        if done.returncode or not report.exists():  # a build that fails is no failure to forge
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
