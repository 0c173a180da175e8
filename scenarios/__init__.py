# SPDX-License-Identifier: Apache-2.0
"""How experiments are told: scenario files, their runner and what a run leaves.

From Python and in notebooks::

    import bcfl.scenarios

    scenario = bcfl.scenarios.load("scenarios/quick.yaml", ["task.rounds=3"])
    result = await bcfl.scenarios.run(scenario)
    result.summary.final.accuracy

``load``, ``run`` and ``resume`` are imported when they are first asked for: the package itself loads neither torch nor web3.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bcfl.scenarios.definition.loading import load
    from bcfl.scenarios.running.resumption import resume
    from bcfl.scenarios.running.runner import run

__all__ = ("load", "resume", "run")

_HOMES = {
    "load": "bcfl.scenarios.definition.loading",
    "resume": "bcfl.scenarios.running.resumption",
    "run": "bcfl.scenarios.running.runner",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
