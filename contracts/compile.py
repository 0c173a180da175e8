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
from pathlib import Path

ROOT = Path(__file__).resolve().parent
CONTRACTS = ("ConsortiumTask", "Credits", "CrowdsourcingTask", "RewardToken", "TaskFactory")


def source_hash() -> str:
    """sha256 over every Solidity source and the compiler's settings."""
    digest = hashlib.sha256()
    for path in (*sorted((ROOT / "src").rglob("*.sol")), ROOT / "foundry.toml", ROOT / "package.json"):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def compile_all() -> dict[str, str]:
    """Artifact text by contract name, from a build in a folder of its own."""
    forge = ROOT / "node_modules" / ".bin" / "forge"
    with tempfile.TemporaryDirectory() as folder:
        command = [str(forge), "build", "src", "--offline", "--use", "./solc-offline", "--force"]
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


def main() -> int:
    """Write or check the artifacts."""
    stale = []
    for name, text in compile_all().items():
        path = ROOT / "artifacts" / f"{name}.json"
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.name)
    if stale:
        sys.stderr.write(
            f"contracts/artifacts: {', '.join(stale)} not what the sources compile to; run 'make artifacts'.\n"
        )
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
