# SPDX-License-Identifier: Apache-2.0
"""Situations in what was agreed.

::

    ContractError
    ├── ArtifactMissing         a compiled contract is not in the package
    ├── ProgramMissing          a program of the contracts' toolchain is not installed
    ├── MalformedLog            a log of ours does not decode
    ├── ForeignTask             events of a task reach a state of another
    ├── WrongKind               a crowd's task where a consortium's is asked for, or the other way round
    ├── MalformedSpecification  a specification in the store cannot be read
    ├── MalformedReport         an evaluation report in the store cannot be read
    ├── MalformedList           a rooter's list in the store is not what its root stands for
    └── MalformedState          what an agent kept of a task's state cannot be read
"""

from __future__ import annotations

from bcfl.errors import ContractError

__all__ = (
    "ArtifactMissing",
    "ForeignTask",
    "MalformedList",
    "MalformedLog",
    "MalformedReport",
    "MalformedSpecification",
    "MalformedState",
    "ProgramMissing",
    "WrongKind",
)


class ArtifactMissing(ContractError):
    """A compiled contract is missing from the package; run 'make artifacts'."""


class ProgramMissing(ContractError):
    """A program of the contracts' toolchain is not installed; run 'npm install' in contracts/."""


class MalformedLog(ContractError):
    """A log carries one of our event signatures but does not decode."""


class ForeignTask(ContractError):
    """An event of another task cannot be folded into this task's state."""


class WrongKind(ContractError):
    """A task of the other kind than is asked for."""


class MalformedState(ContractError):
    """What was kept of a task's state cannot be read, or not by this version."""


class MalformedSpecification(ContractError):
    """The task's specification cannot be read."""


class MalformedReport(ContractError):
    """An evaluation report cannot be read."""


class MalformedList(ContractError):
    """A list of commitments or of openings is not what the rooter has posted."""
