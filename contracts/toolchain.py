# SPDX-License-Identifier: Apache-2.0
"""Where the programs of npm's Foundry packages are: forge, cast and anvil themselves.

The wrappers in ``node_modules/.bin`` end with status 0 whatever the program said, and do not pass every signal on. As
a script it runs a program in this folder and ends as it does: ``python contracts/toolchain.py forge fmt --check``.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

from bcfl.contracts.errors import ProgramMissing

__all__ = ("ROOT", "program")

ROOT = Path(__file__).resolve().parent
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # as npm's packages are called: amd64 and arm64


def program(name: str) -> Path:
    """The program of this platform's package.

    Raises:
        ProgramMissing: npm did not install it.
    """
    machine = platform.machine().lower()
    package = f"{name}-{sys.platform}-{_ARCHITECTURES.get(machine, machine)}"
    file = name + (".exe" if sys.platform == "win32" else "")
    path = ROOT / "node_modules" / "@foundry-rs" / package / "bin" / file
    if not path.is_file():
        raise ProgramMissing(
            f"{name} is not at {path}: run 'npm install' in {ROOT}, on this platform and with optional packages."
        )
    return path


def main() -> int:
    """Run the program that the command line names, with the rest of the line, and give its status."""
    name, *arguments = sys.argv[1:]
    try:
        command = [str(program(name)), *arguments]
    except ProgramMissing as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - our own toolchain


if __name__ == "__main__":
    sys.exit(main())
