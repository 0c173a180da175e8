# SPDX-License-Identifier: Apache-2.0
"""A sweep as a table: one row a cell, as ``table.csv`` and ``table.parquet``. ``docs/sweeps.md`` explains the columns.

What was not measured is empty; rounds to eject of somebody who never was are ``inf``.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from bcfl.scenarios.sweeping.measures import Measured

__all__ = ("COLUMNS", "rows", "write_tables")

_TEXT = ("attack", "defence", "heterogeneity", "status", "cell", "sentence")
_WHOLE = ("trainers", "seed", "adversaries", "honest", "ejected_adversaries", "ejected_honest")
COLUMNS = (
    "attack", "defence", "fraction", "heterogeneity", "trainers", "seed", "status",
    "precision", "recall", "f1", "false_ejection_rate", "rounds_to_eject_median", "rounds_to_eject_p95",
    "false_suspension_rate", "refused_rate", "refused_rate_first",
    "least_pay", "best_pay", "equal_pay", "size_correlation", "quality_correlation", "smallest_pay_kept",
    "reward_share", "relative_pay", "return_on_misbehaviour", "group_return",
    "genesis_loss", "loss", "accuracy", "reference_accuracy", "accuracy_gap", "backdoor_success",
    "last_round_pay", "last_paid_honest", "last_reward_share",
    "rounds_finalised", "liveness", "overdue_s",
    "adversaries", "honest", "ejected_adversaries", "ejected_honest",
    "wall_s", "cell", "sentence",
)  # fmt: skip
"""In the order of the file."""

Value = str | int | float | None


def rows(measured: Sequence[Measured]) -> list[dict[str, Value]]:
    """One mapping a cell, with every column."""
    found: list[dict[str, Value]] = []
    for one in measured:
        labels = one.labels
        row: dict[str, Value] = {
            "attack": labels.attack,
            "defence": labels.defence,
            "fraction": labels.fraction,
            "heterogeneity": labels.heterogeneity,
            "trainers": labels.trainers,
            "seed": labels.seed,
            "status": one.status,
            "adversaries": len(one.adversaries),
            "honest": one.joined_honest,
            "ejected_adversaries": one.ejected_adversaries,
            "ejected_honest": one.ejected_honest,
            "cell": one.key,
            "sentence": one.sentence,
            **one.values,
        }
        found.append({name: row[name] for name in COLUMNS})
    return found


def write_tables(measured: Sequence[Measured], directory: Path) -> tuple[Path, Path]:
    """Write ``table.csv`` and ``table.parquet``; returns their paths."""
    # imported here: a command that writes no table does not wait for it
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = rows(measured)
    directory.mkdir(parents=True, exist_ok=True)
    as_csv, as_parquet = directory / "table.csv", directory / "table.parquet"
    with as_csv.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    kinds = {name: pa.string() for name in _TEXT} | {name: pa.int64() for name in _WHOLE}
    schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in COLUMNS])
    pq.write_table(pa.Table.from_pylist(table, schema=schema), as_parquet)
    return as_csv, as_parquet
