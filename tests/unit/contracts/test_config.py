# SPDX-License-Identifier: Apache-2.0
"""A task's configuration in the contract's order of fields."""

from __future__ import annotations

from bcfl.contracts import artifacts
from bcfl.contracts.config import Schedule, TaskConfig
from bcfl.contracts.ids import Address, ContentId
from bcfl.contracts.phases import Selection

CONFIG = TaskConfig(
    token=Address("0x00000000000000000000000000000000000000C0"),
    publisher=Address("0x0000000000000000000000000000000000000B0B"),
    aggregator=Address("0x00000000000000000000000000000000000000A6"),
    specification=ContentId(b"\x01" * 32, 201),
    genesis=ContentId(b"\x02" * 32, 202),
    max_update_size=203,
    rounds=204,
    capacity=205,
    min_trainers=206,
    cohort_size=207,
    selection=Selection.SCORE_ORDER,
    relayed=True,
    commit_reveal=False,
    unique_digests=True,
    public_audit=False,
    vesting_rounds=208,
    fault_suspension=209,
    stake=210,
    bond=211,
    rate=212,
    round_budget=213,
    evaluation_pool=214,
    tolerance=215,
    schedule=Schedule(enrolment=216, training=217, reveal=218, evaluation=219, aggregation=220, closing=221),
)


def _struct():
    (create,) = (entry for entry in artifacts.load("TaskFactory").abi if entry.get("name") == "createTask")
    (struct,) = (item for item in create["inputs"] if item["name"] == "config")
    return [component["name"] for component in struct["components"]]


def test_every_field_stands_where_the_contract_s_struct_has_it():
    named = dict(zip(_struct(), CONFIG.to_abi(), strict=True))
    assert TaskConfig.from_abi(named) == CONFIG


def test_no_two_fields_could_be_mistaken_for_each_other():
    numbers = [value for value in CONFIG.to_abi() if isinstance(value, int) and value > 200]
    assert len(numbers) == len(set(numbers)) == 21
