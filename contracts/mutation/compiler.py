# SPDX-License-Identifier: Apache-2.0
"""Compiles single contracts, fast and without the optimiser, in a process that lives as long as its laboratory."""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bcfl.contracts.errors import ProgramMissing
from bcfl.contracts.mutation.subjects import Subject

__all__ = ("Bytecode", "Compiler")

Bytecode = tuple[str, str]
"""Of the creation and of what is deployed, in hex."""


class Compiler:
    """npm's solc in a folder of contracts.

    Without the optimiser a contract takes a quarter of the time and is twice as large; forge does not mind its size.
    """

    def __init__(self, contracts: Path) -> None:
        node = shutil.which("node")
        if node is None:
            raise ProgramMissing("node is not on the path: nodejs.org/download.")
        profile = tomllib.loads((contracts / "foundry.toml").read_text(encoding="utf-8"))["profile"][
            "default"
        ]
        self._settings = {
            "viaIR": True,
            "optimizer": {"enabled": False},
            "evmVersion": profile["evm_version"],
            "remappings": profile["remappings"],
            "metadata": {"bytecodeHash": "none", "appendCBOR": False},
        }
        self._contracts = contracts
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            [node, str(Path(__file__).with_name("compiler.js"))],
            cwd=contracts,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def compile(self, subject: Subject, changed: Mapping[str, str]) -> Bytecode | None:
        """Compile a contract from the folder's sources, some of them changed; None where that is not Solidity any more.

        Raises:
            ChildProcessError: the compiler ended.
        """
        source = changed.get(subject.file)
        if source is None:
            source = (self._contracts / subject.file).read_text(encoding="utf-8")
        wanted = ["evm.bytecode.object", "evm.deployedBytecode.object"]
        selection = {subject.file: {subject.name: wanted}}
        standard_json = {
            "language": "Solidity",
            "sources": {subject.file: {"content": source}},
            "settings": {**self._settings, "outputSelection": selection},
        }
        answer = self._ask({"input": standard_json, "brought": dict(changed)})
        if any(error["severity"] == "error" for error in answer.get("errors", ())):
            return None
        made = answer["contracts"][subject.file][subject.name]["evm"]
        return made["bytecode"]["object"], made["deployedBytecode"]["object"]

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101 - both are pipes
        assert stdout is not None  # noqa: S101
        stdin.write(json.dumps(request) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise ChildProcessError(f"The compiler ended with status {self._process.wait()}.")
        answer: dict[str, Any] = json.loads(line)
        return answer
