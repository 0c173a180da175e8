# SPDX-License-Identifier: Apache-2.0
"""The gate's own test: plant one fault after another in a copy of this tree; what ``.ci/run`` runs must fail each time.

A gate that cannot fail looks like one that passes. So every command is first run on the sound copy, where it must
pass, then on each fault, where it must fail and name it; and every command must be one that ``.ci/run`` runs.
Coverage is left out: it would compile everything again. Run as a script (``make gate``); status 1 if any fault passed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

SOLIDITY = "contracts/test/Planted.t.sol"
PYTHON = "tests/unit/test_planted.py"
SOUND = {  # the smallest tests there can be, so that what is measured is the commands
    SOLIDITY: """// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

contract PlantedTest {
    function test_Sum() public pure {
        require(2 + 2 == 4, "planted");
    }
}
""",
    PYTHON: "def test_sum():\n    assert sum([2, 2]) == 4\n",
}

CONTRACTS_TEST = ("make", "contracts-test", "FORGE_TEST_ARGS=--match-path test/Planted.t.sol")
TEST = ("make", "test", CONTRACTS_TEST[2], f"PYTEST_ARGS={PYTHON}")
CHECK, LINT, TYPES, IMPORTS = (("make", target) for target in ("contracts-check", "lint", "types", "imports"))
GATE = (".ci/run",)


@dataclass(frozen=True)
class Fault:
    """What is planted where, and what must then fail.

    Attributes:
        name: for the table.
        command: must pass without the fault and fail with it.
        path: the file that is changed.
        old: text in it that ``new`` replaces; empty: ``new`` is appended.
        new: the fault.
        says: part of what the command must print, so that it fails for this fault and no other.
    """

    name: str
    command: tuple[str, ...]
    path: str
    old: str
    new: str
    says: str


FAULTS = (
    Fault("a contract's test fails", CONTRACTS_TEST, SOLIDITY, "== 4", "== 5", "[FAIL: planted]"),
    Fault("a call's gas has changed", CONTRACTS_TEST, "contracts/gas/rounds.json", "", "\n", "new gas snapshot"),
    Fault("a contract is not formatted", CHECK, SOLIDITY, "public pure", "public  pure", SOLIDITY.partition("/")[2]),
    Fault("a contract has changed, not its artifact", CHECK, "contracts/src/RewardToken.sol", "", "// new\n", "RewardToken.json"),
    Fault("an artifact has other code", CHECK, "contracts/artifacts/RewardToken.json", '"bytecode": "0x61', '"bytecode": "0x62', "RewardToken.json"),
    Fault("a Python test fails", TEST, PYTHON, "== 4", "== 5", "FAILED tests/unit/test_planted.py::test_sum"),
    Fault("a type is wrong", TYPES, "cli/doctor.py", "", '\nPLANTED: int = "two"\n', "cli/doctor.py"),
    Fault("a room imports one above it", IMPORTS, "contracts/draft.py", "", "\nimport bcfl.cli.app\n", "bcfl.contracts.draft -> bcfl.cli.app"),
    Fault("Python is not formatted", LINT, PYTHON, "== 4", "==  4", PYTHON),
    Fault("Python has an unused import", GATE, PYTHON, "def", "import os\n\n\ndef", "F401"),
)  # fmt: skip


@contextmanager
def scratch_copy() -> Iterator[Path]:
    """A copy of the working tree with what was installed and built, in which ``make setup`` has nothing to do."""
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    with tempfile.TemporaryDirectory(prefix="bcfl-gate-") as folder:
        copy = Path(folder, "bcfl")
        for name in filter(None, names):
            if os.path.lexists(ROOT / name) and name != ".venv":
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
        (copy / ".venv").symlink_to((ROOT / ".venv").resolve())
        # by name of file, for forge sees through a link to the folder and compiles all that it holds again
        modules = Path("contracts", "node_modules")
        shutil.copytree(ROOT / modules, copy / modules, symlinks=True, copy_function=link)
        for name in (".mypy_cache", "contracts/out", "contracts/cache"):
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, copy / name)
        for name, text in SOUND.items():
            (copy / name).write_text(text, encoding="utf-8")
        for name in (".setup-python", ".setup-node"):
            (copy / name).touch()
        subprocess.run(("git", "init", "--quiet"), cwd=copy, check=True)
        subprocess.run(("git", "add", "contracts/gas"), cwd=copy, check=True)  # what 'git diff' compares with
        yield copy


def link(source: str, target: str) -> None:
    """A second name for a file, or a copy where the file system has no such names."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@contextmanager
def planted(copy: Path, fault: Fault) -> Iterator[None]:
    """The copy with the fault in it, for the length of the block."""
    path = copy / fault.path
    sound = path.read_text(encoding="utf-8")
    if fault.old not in sound:
        raise LookupError(f"{fault.path} has no {fault.old!r}: mend the fault '{fault.name}' in {__file__}.")
    path.write_text(
        sound.replace(fault.old, fault.new, 1) if fault.old else sound + fault.new, encoding="utf-8"
    )
    try:
        yield
    finally:
        path.write_text(sound, encoding="utf-8")


def run(copy: Path, *command: str, **variables: str) -> tuple[int, str]:
    """Status and output of a command in the copy, free of what the calling make, git or shell has set."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("MAKE", "MFLAGS", "GIT_", "FOUNDRY_"))
    }
    environment = {**kept, "PYTHONPATH": str(copy / "src"), "NO_COLOR": "1", **variables}
    done = subprocess.run(
        command,
        cwd=copy,
        env=environment,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def unreached(copy: Path, command: tuple[str, ...]) -> list[str]:
    """Lines that the command's target runs and ``.ci/run`` does not, by make's own word (``--dry-run``)."""
    every = run(copy, *GATE, MAKEFLAGS="n")[1].splitlines()
    return [line for line in run(copy, *command[:2], MAKEFLAGS="n")[1].splitlines() if line not in every]


def main() -> int:
    """Print a line for each command on the sound copy and for each fault."""
    wrong = 0
    with scratch_copy() as copy:
        for command in dict.fromkeys(fault.command for fault in FAULTS if fault.command != GATE):
            began = time.monotonic()
            status, output = run(copy, *command)
            missing = unreached(copy, command)
            row("sound", command, status, began, status == 0 and not missing)
            if status or missing:
                wrong += 1
                sys.stdout.write(
                    output[-2000:] + "".join(f".ci/run does not run: {line}\n" for line in missing)
                )
        for fault in FAULTS:
            began = time.monotonic()
            with planted(copy, fault):
                status, output = run(copy, *fault.command)
            red = status != 0 and fault.says in output
            row(fault.name, fault.command, status, began, red)
            if not red:
                wrong += 1
                sys.stdout.write(f"{output[-2000:]}\nexpected a failure that says {fault.says!r}\n")
    sys.stdout.write(
        f"{len(FAULTS)} faults planted; {wrong or 'no'} line{'' if wrong == 1 else 's'} not as expected\n"
    )
    return 1 if wrong else 0


def row(name: str, command: tuple[str, ...], status: int, began: float, expected: bool) -> None:
    """Print one line of the table."""
    verdict = "as expected" if expected else "WRONG"
    shown = " ".join(command[:2])
    sys.stdout.write(
        f"{name:42} {shown:22} status {status:<3} {time.monotonic() - began:5.1f} s  {verdict}\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
