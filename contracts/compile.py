# SPDX-License-Identifier: Apache-2.0
"""Compile the contracts and write ``artifacts/*.json``; with ``--check`` fail where they are not up to date.

Run as a script (``make artifacts``, ``make check``); Python needs no compiler when bcfl runs.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from bcfl.contracts.errors import ProgramMissing
from bcfl.contracts.toolchain import program

ROOT = Path(__file__).resolve().parent
CONTRACTS = ("ConsortiumTask", "Credits", "CrowdsourcingTask", "RewardToken", "RootedTask", "TaskFactory")
_OF_TESTS = frozenset({"test", "fs_permissions", "gas_limit", "fuzz", "invariant"})


def source_hash(root: Path = ROOT) -> str:
    """sha256 over every Solidity source and what decides how they are compiled."""
    digest = hashlib.sha256()
    for path in sorted((root / "src").rglob("*.sol")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(json.dumps(compiler_settings(root), sort_keys=True).encode())
    return digest.hexdigest()


def compiler_settings(root: Path) -> dict[str, Any]:
    """foundry.toml without what is only for tests, and the versions of the compiler and of the library."""
    profile = tomllib.loads((root / "foundry.toml").read_text(encoding="utf-8"))["profile"]["default"]
    versions = json.loads((root / "package.json").read_text(encoding="utf-8"))["dependencies"]
    settings = {key: value for key, value in profile.items() if key not in _OF_TESTS}
    return settings | {name: versions[name] for name in ("solc", "@openzeppelin/contracts")}


def of_other_sources(root: Path = ROOT) -> list[str]:
    """Artifacts that are missing or say that they were made from other sources or settings: known in a moment."""
    expected = source_hash(root)
    found = {name: root / "artifacts" / f"{name}.json" for name in CONTRACTS}
    return [
        path.name
        for path in found.values()
        if not path.exists() or json.loads(path.read_text(encoding="utf-8")).get("source_hash") != expected
    ]


def compile_all() -> dict[str, str]:
    """Artifact text by contract name, from a build in a folder of its own.

    Raises:
        ProgramMissing: forge is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [str(program("forge")), "build", "src", "--offline", "--use", "./solc-offline", "--force"]
        subprocess.run(  # noqa: S603 - our own compiler on our own sources
            [*command, "--out", f"{folder}/out", "--cache-path", f"{folder}/cache"],
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        artifacts = {}
        for name in CONTRACTS:
            built = json.loads(Path(folder, "out", f"{name}.sol", f"{name}.json").read_text(encoding="utf-8"))
            artifacts[name] = (
                json.dumps(
                    {
                        "contract": name,
                        "compiler": built["metadata"]["compiler"]["version"],
                        "source_hash": source_hash(),
                        "abi": built["abi"],
                        "bytecode": _unlinked(built["bytecode"]["object"]),
                        "libraries": _libraries(built["bytecode"]["linkReferences"]),
                        "runtime_size": (len(built["deployedBytecode"]["object"]) - 2) // 2,
                    },
                    indent=1,
                )
                + "\n"
            )
    return artifacts


def _unlinked(code: str) -> str:
    """Zeros where the compiler names a library."""
    return re.sub(r"__\$[0-9a-f]{34}\$__", "0" * 40, code)


def _libraries(references: dict[str, dict[str, list[dict[str, int]]]]) -> dict[str, list[int]]:
    """Places of each library's address, by its name."""
    return {
        name: sorted(place["start"] for place in places)
        for libraries in references.values()
        for name, places in sorted(libraries.items())
    }


def write() -> None:
    """Write every artifact."""
    for name, text in compile_all().items():
        path = ROOT / "artifacts" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def stale() -> list[str]:
    """Artifacts that are not what the sources compile to; compiles only where the hashes say that they could be."""
    return of_other_sources() or [
        f"{name}.json"
        for name, text in compile_all().items()
        if (ROOT / "artifacts" / f"{name}.json").read_text(encoding="utf-8") != text
    ]


def main() -> int:
    """Write or check the artifacts."""
    try:
        if "--check" not in sys.argv:
            write()
            return 0
        names = stale()
    except ProgramMissing as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    if names:
        sys.stderr.write(
            f"contracts/artifacts: {', '.join(names)} not what the sources compile to; run 'make artifacts'.\n"
        )
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
