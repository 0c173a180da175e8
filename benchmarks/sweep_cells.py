# SPDX-License-Identifier: Apache-2.0
"""Ten random cells of a finished sweep against ``bcfl run`` of their scenarios, number by number.

python benchmarks/sweep_cells.py SWEEP.yaml DIRECTORY [CELLS]
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from bcfl.scenarios.definition.loading import resolved
from bcfl.scenarios.sweeping.file import load_sweep
from bcfl.scenarios.sweeping.grid import expand

SAME = ("final", "genesis", "detection", "participants", "tokens", "events", "status")
SAME_BY_ROUND = ("scores", "tokens", "rejected", "suspended", "ejected", "global_loss", "global_accuracy")


def differences(swept, alone):
    found = [name for name in SAME if swept[name] != alone[name]]
    for one, other in zip(swept["rounds"], alone["rounds"], strict=True):
        found += [f"round {one['round']} {name}" for name in SAME_BY_ROUND if one[name] != other[name]]
    return found


def main(file, directory, number="10"):
    kept = {path.stem: json.loads(path.read_text()) for path in (Path(directory) / "cells").glob("*.json")}
    done = [cell for cell in expand(load_sweep(Path(file))) if kept.get(cell.key, {}).get("summary")]
    worst = 0
    for cell in random.Random(1).sample(done, min(int(number), len(done))):
        with tempfile.TemporaryDirectory() as scratch:
            scenario, run = Path(scratch) / "cell.yaml", Path(scratch) / "run"
            scenario.write_text(resolved(cell.scenario))
            command = [str(Path(sys.executable).with_name("bcfl")), "run", str(scenario), "--out", str(run)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            found = differences(kept[cell.key]["summary"], json.loads((run / "summary.json").read_text()))
        worst = max(worst, len(found))
        print(f"{cell.labels.name}: {'; '.join(found[:5]) or 'equal'}", flush=True)
    return 1 if worst else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
