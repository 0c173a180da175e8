# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a scenario file, or with a run directory.

::

    ScenarioError
    ├── ScenarioUnreadable       the file is missing, empty, too large or not text
    ├── ScenarioSyntax           the file is not the YAML that scenarios are written in
    ├── ScenarioInvalid          a key is unknown, missing, or has a value that cannot be
    ├── OverrideInvalid          a ``--set`` is not ``key.key=value``, or its key cannot be reached
    ├── ScenarioExists           a new scenario would overwrite a file
    ├── RunDirectoryOccupied     a run would write into somebody's files
    ├── RunInUse                 another process carries out the run in this directory
    ├── RunNotResumable          what the run needs to go on is gone
    ├── RunDirectoryUnwritable   a file of a run directory cannot be written: the disk may be full
    ├── RunDirectoryUnreadable   a file of a run directory is missing or damaged
    ├── GenesisUnfit             the model to start from is not there, or is none of the network
    ├── OutputUnwritable         a file that a command should write cannot be written
    ├── ModelTooLarge            a model has more bytes than the task takes
    ├── DiskTooSmall             the run's models do not fit the disk
    ├── TermsInvalid             a file of a task that is to be published lacks something
    ├── UnknownParticipant       nobody in the scenario has that name
    ├── NotApart                 these participants cannot act in a process of their own
    ├── ScenarioStuck            nobody acts and nobody waits, but the task has not ended
    ├── SweepInvalid             a sweep file cannot be read, or does not give a grid of scenarios
    ├── TargetsInvalid           a file of targets cannot be read, or asks for what is not measured
    └── SummaryUnreadable        a summary is of another version, or is not one
"""

from __future__ import annotations

from bcfl.errors import ScenarioError

__all__ = (
    "DiskTooSmall",
    "GenesisUnfit",
    "ModelTooLarge",
    "NotApart",
    "OutputUnwritable",
    "OverrideInvalid",
    "RunDirectoryOccupied",
    "RunDirectoryUnreadable",
    "RunDirectoryUnwritable",
    "RunInUse",
    "RunNotResumable",
    "ScenarioExists",
    "ScenarioInvalid",
    "ScenarioStuck",
    "ScenarioSyntax",
    "ScenarioUnreadable",
    "SummaryUnreadable",
    "SweepInvalid",
    "TargetsInvalid",
    "TermsInvalid",
    "UnknownParticipant",
)


class ScenarioUnreadable(ScenarioError):
    """The scenario file cannot be read; give the path of a YAML file, or make one with 'bcfl new NAME'."""


class ScenarioSyntax(ScenarioError):
    """The scenario file is not valid YAML; 'bcfl new NAME' writes one to start from."""


class ScenarioInvalid(ScenarioError):
    """A value of the scenario cannot be.

    Attributes:
        source: where the value was written: a file with its line, or an option of the command.
        key: the dotted key, such as ``task.rounds``.
    """

    def __init__(self, message: str, *, source: str, key: str) -> None:
        super().__init__(message)
        self.source = source
        self.key = key


class OverrideInvalid(ScenarioError):
    """An override is written as key.key=value, for example --set task.rounds=3."""


class ScenarioExists(ScenarioError):
    """A file with the name of the new scenario exists already; choose another name or remove it."""


class RunDirectoryOccupied(ScenarioError):
    """The directory for the run holds files already; give an empty or a new one with --out."""


class RunDirectoryUnwritable(ScenarioError):
    """A file of the run directory cannot be written; make room, or give another directory with --out."""

    exit_code = 5
    precedence = 0


class RunDirectoryUnreadable(ScenarioError):
    """This is not the directory of a finished run; give one that 'bcfl run' wrote."""


class RunInUse(ScenarioError):
    """Another process carries out the run in this directory; wait for its end, or stop it first."""


class RunNotResumable(ScenarioError):
    """What the run needs to go on is gone; run the scenario again."""


class SweepInvalid(ScenarioError):
    """The sweep file does not give a grid of scenarios; docs/sweeps.md shows every key."""


class TargetsInvalid(ScenarioError):
    """The file of targets asks for what a sweep does not measure; docs/sweeps.md shows every key."""


class SummaryUnreadable(ScenarioError):
    """The summary cannot be read by this version of bcfl; run the scenario again."""


class ModelTooLarge(ScenarioError):
    """A model of the network has more bytes than task.intake.max_update_bytes; raise it, or make the network smaller."""


class OutputUnwritable(ScenarioError):
    """A file that a command should write cannot be written; give another."""

    exit_code = 5


class GenesisUnfit(ScenarioError):
    """The model that task.genesis names is not there, or is none of the task's network."""


class DiskTooSmall(ScenarioError):
    """The models of the run do not fit the disk; make room, or name another directory with --out."""

    exit_code = 5


class UnknownParticipant(ScenarioError):
    """Nobody in the scenario has that name; its file lists them, and there are 'publisher' and 'keeper'."""


class NotApart(ScenarioError):
    """These participants cannot act in a process of their own; docs/run-directory.md says which can."""


class ScenarioStuck(ScenarioError):
    """Nobody acts and nobody waits, but the task has not ended; the log in the run directory says who did what."""

    exit_code = 7
    precedence = 3


class TermsInvalid(ScenarioError):
    """A file of a task that is to be published lacks something."""
