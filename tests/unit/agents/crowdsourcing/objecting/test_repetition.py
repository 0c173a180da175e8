# SPDX-License-Identifier: Apache-2.0
"""What is remembered of an update that was looked at: of a packed one it depends on the model that it starts from."""

from __future__ import annotations

import pytest

from bcfl.agents.common.retrieval import Retrieval
from bcfl.agents.crowdsourcing.objecting.plausibility import VERDICT
from bcfl.agents.crowdsourcing.objecting.repetition import Repetition
from bcfl.contracts.crowd_state import CrowdRound
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.specification import EntryReference, Specification
from bcfl.contracts.state import UpdateRecord
from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import initial_weights
from bcfl.models.wire.codecs import Int8
from bcfl.models.wire.packed import Packing
from bcfl.models.wire.tensors import encode
from bcfl.storage.content_id import content_id
from bcfl.storage.memory import MemoryStore

PARAMETERS = {"inputs": 4, "hidden": 0, "classes": 3}
NETWORK = Mlp(**PARAMETERS)
FIRST, SECOND = initial_weights(NETWORK, 1), initial_weights(NETWORK, 2)
SPECIFICATION = Specification(
    title="t",
    network=EntryReference("mlp", PARAMETERS),
    training={"learning_rate": 0.1},
    tensors=tuple((tensor.name, tensor.shape) for tensor in NETWORK.schema().tensors),
    score=EntryReference("shapley"),
    aggregator=EntryReference("fedavg"),
    defence=EntryReference("pipeline"),
    codec=EntryReference("int8"),
    sample_limit=100,
)


@pytest.mark.parametrize(("said", "reason"), [({0: "no_new_work"}, None), ({}, VERDICT)])
@pytest.mark.asyncio
async def test_the_same_packed_bytes_are_another_model_in_another_round(said, reason):
    """A packed nothing is the round's own model, whichever that is."""
    store = MemoryStore()
    nothing = Packing(codec=Int8(), start=FIRST).encode(FIRST, {"samples": "10"})
    update = UpdateRecord(content=await store.put(nothing), position=0)
    repetition = Repetition(Retrieval(store))

    async def sampled(number, start, rejected):
        begun = await store.put(encode(start, {}))
        report = EvaluationReport(
            round=number,
            start_model=begun,
            model=content_id(b"m"),
            scores={0: 0},
            weights={},
            validation_samples=9,
            rejected=rejected,
        )
        record = CrowdRound(
            number=number,
            start_model=begun,
            cohort=(0,),
            updates={0: update},
            scores={0: 0},
            report=content_id(b"r"),
        )
        return await repetition.sampled(SPECIFICATION, record, report, max_bytes=10_000, drawn=[0])

    assert await sampled(1, FIRST, {0: "no_new_work"}) is None
    assert await sampled(2, SECOND, said) == reason
