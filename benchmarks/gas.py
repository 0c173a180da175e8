# SPDX-License-Identifier: Apache-2.0
"""Gas per trainer and round from receipts on anvil, beside the prototype's figures and those of the published system.

A round in steady state: the last of the rounds played, when every slot that is used again has been used.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from bcfl.chain.devnet import Devnet
from bcfl.chain.node import open_node
from benchmarks.record import Record
from benchmarks.task_on_anvil import RoundGas, TaskOnAnvil

__all__ = ("measure",)


@dataclass(frozen=True, kw_only=True)
class _Setting:
    """A task to play, with the figures it stands beside, in gas per trainer and round.

    Attributes:
        prototype: the sum of the Foundry prototype of the same layout.
        published: the published system's second round, at 100 trainers where 10 were not measured.
    """

    name: str
    members: int
    relayed: bool
    unique_digests: bool = False
    prototype: int
    published: int


_PUBLISHED_100, _PUBLISHED_1000 = 270_541, 268_546
_SETTINGS = (
    _Setting(name="direct, n = 10", members=10, relayed=False, prototype=98_900, published=_PUBLISHED_100),
    _Setting(
        name="direct, n = 10, digest ownership",
        members=10,
        relayed=False,
        unique_digests=True,
        prototype=120_900,
        published=_PUBLISHED_100,
    ),
    _Setting(name="relayed, n = 10", members=10, relayed=True, prototype=33_000, published=_PUBLISHED_100),
    _Setting(
        name="direct, n = 1000", members=1000, relayed=False, prototype=89_900, published=_PUBLISHED_1000
    ),
    _Setting(
        name="relayed, n = 1000", members=1000, relayed=True, prototype=13_300, published=_PUBLISHED_1000
    ),
)


async def measure(*, quick: bool) -> Record:
    """Play every setting; ``quick`` leaves out the direct round of a thousand and plays two rounds each."""
    rounds = 2 if quick else 3
    rows, values = [], {}
    for setting in _SETTINGS:
        if quick and setting.members == 1000 and not setting.relayed:
            continue
        played = await _play(setting, rounds)
        cost = played[-1]
        each = {step: getattr(cost, step) / setting.members for step in ("commit", "reveal", "score")}
        total = sum(each.values())
        rows.append(
            (
                setting.name,
                *(f"{gas:,.0f}" for gas in each.values()),
                f"{total:,.0f}",
                str(cost.transactions),
                f"{setting.prototype:,} ({total / setting.prototype - 1:+.1%})",
                f"{setting.published:,} ({setting.published / total:.1f} times)",
            )
        )
        values[setting.name] = {
            **each,
            "sum": total,
            "transactions": cost.transactions,
            "largest_transaction": cost.largest,
            "to_prototype": total / setting.prototype,
            "published_to_this": setting.published / total,
            "rounds": [dataclasses.asdict(one) for one in played],
        }
    largest = max(values.values(), key=lambda value: value["largest_transaction"])["largest_transaction"]
    return Record(
        name="gas",
        title=f"gas per trainer and round, round {rounds}, from receipts",
        columns=(
            "intake",
            "commit",
            "reveal",
            "score",
            "sum",
            "transactions",
            "prototype",
            "published system",
        ),
        rows=rows,
        notes=[
            f"the largest transaction takes {largest:,} gas",
            "the published system's figures are of its second round with 100 and 1000 trainers, and grow by 4,838 a round",
        ],
        values=values,
    )


async def _play(setting: _Setting, rounds: int) -> list[RoundGas]:
    # a chain of its own: on a shared one the deployer's addresses would already be taken
    async with Devnet.start() as devnet, open_node(devnet.url) as node:
        task = await TaskOnAnvil.create(
            node,
            members=setting.members,
            relayed=setting.relayed,
            unique_digests=setting.unique_digests,
        )
        return [await task.round() for _ in range(rounds)]
