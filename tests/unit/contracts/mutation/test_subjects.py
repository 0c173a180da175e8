# SPDX-License-Identifier: Apache-2.0
"""What must be compiled and run again when a source file changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from bcfl.contracts import compile as compiling
from bcfl.contracts.mutation.subjects import Subject, Subjects, read_sources

SOURCES = {
    "src/Base.sol": 'import {Sets} from "./libraries/Sets.sol";\nabstract contract Base {\n}',
    "src/Task.sol": 'import {\n    Base\n} from "./Base.sol";\ncontract Task is Base {\n}',
    "src/Other.sol": 'import "@openzeppelin/Token.sol";\ncontract Other is Token(1) {\n}',
    "src/libraries/Sets.sol": "library Sets {\n}",
    "test/Fixture.sol": (
        'import {Task} from "../src/Task.sol";\nabstract contract Fixture {\n'
        'function setUp() { vm.deployCode("Task.sol:Task"); }\n}'
    ),
    "test/Task.t.sol": 'import {Fixture} from "./Fixture.sol";\ncontract TaskTest is Fixture {\n}',
    "test/Sets.t.sol": 'import {Sets} from "../src/libraries/Sets.sol";\ncontract SetsTest {\n}',
    "test/Handler.sol": 'contract Handler {\nfunction f() { vm.deployCode(\n"Other.sol:Other", abi.encode(1)); }\n}',
    "test/Deep.t.sol": (
        'import {Task} from "../src/Task.sol";\ncontract DeepTest {\nfunction invariant_A() {}\n'
        'function f() { vm.deployCode("Handler.sol:Handler"); vm.deployCode("Deep.t.sol:Opened"); }\n}\n'
        "contract Opened is Task {\n}"
    ),
}
TASK, OTHER = Subject("src/Task.sol", "Task"), Subject("src/Other.sol", "Other")
TASK_TEST, SETS_TEST = Subject("test/Task.t.sol", "TaskTest"), Subject("test/Sets.t.sol", "SetsTest")
DEEP_TEST, OPENED = Subject("test/Deep.t.sol", "DeepTest"), Subject("test/Deep.t.sol", "Opened")


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("src/Other.sol", {OTHER}),
        ("src/Task.sol", {TASK, DEEP_TEST, OPENED}),
        ("src/Base.sol", {TASK, DEEP_TEST, OPENED}),
        ("src/libraries/Sets.sol", {TASK, SETS_TEST, DEEP_TEST, OPENED}),
    ],
)
def test_a_file_is_part_of_what_descends_from_it_or_uses_it_as_a_library(file, expected):
    assert set(Subjects(SOURCES).of(file)) == expected


def test_a_contract_is_seen_by_tests_that_deploy_it_through_whatever_or_are_it():
    subjects = Subjects(SOURCES)
    assert subjects.tests([TASK]) == {TASK_TEST: {TASK}}
    assert subjects.tests([OTHER]) == {DEEP_TEST: {OTHER}, OPENED: {OTHER}}
    assert subjects.tests([TASK, SETS_TEST]) == {TASK_TEST: {TASK}, SETS_TEST: {SETS_TEST}}


def test_a_linked_library_is_compiled_by_itself_and_seen_with_who_calls_it():
    linked = {**SOURCES, "src/libraries/Sets.sol": "library Sets {\nfunction f() external {}\n}"}
    sets = Subject("src/libraries/Sets.sol", "Sets")
    subjects = Subjects(linked)
    assert sets in subjects.of("src/libraries/Sets.sol")
    assert TASK_TEST in subjects.tests([sets])
    assert sets not in Subjects(SOURCES).of("src/libraries/Sets.sol"), "its code is in the callers'"


def test_tests_with_invariants_are_slow():
    assert Subjects(SOURCES).slow == {"test/Deep.t.sol"}


def test_an_artifact_is_where_forge_puts_it():
    assert OPENED.artifact == Path("out/Deep.t.sol/Opened.json")


def test_our_contracts_are_all_part_of_something_that_some_test_sees():
    sources = read_sources(Path(compiling.__file__).resolve().parent)
    subjects = Subjects(sources)
    for file in sources:
        if file.startswith("src/"):
            affected = subjects.of(file)
            assert affected, file
            assert subjects.tests(affected), file
