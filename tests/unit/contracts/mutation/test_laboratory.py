# SPDX-License-Identifier: Apache-2.0
"""How a mutant is tried, with a compiler and tests of our own: what compiles to what, and which tests then run."""

from __future__ import annotations

import json

import pytest

from bcfl.contracts.mutation import laboratory as module
from bcfl.contracts.mutation.forge import QUICK, THOROUGH
from bcfl.contracts.mutation.generation import mutants_of
from bcfl.contracts.mutation.laboratory import Laboratory, Outcome, Unsound

SOURCES = {
    "src/Base.sol": "abstract contract Base {\nfunction f() { a(1); }\n}",
    "src/Small.sol": 'import "./Base.sol";\ncontract Small is Base {\n}',
    "src/Large.sol": 'import "./Base.sol";\ncontract Large is Base {\n}//' + "large" * 9,
    "test/Small.t.sol": 'contract SmallTest {\nfunction f() { deployCode("Small.sol:Small"); }\n}',
    "test/Large.t.sol": 'contract LargeTest {\nfunction f() { deployCode("Large.sol:Large"); }\n}',
    "test/Slow.t.sol": 'contract SlowTest {\nfunction invariant() { deployCode("Small.sol:Small"); }\n}',
}


class Bench:
    """Compiles by putting together texts; a test fails by finding a word in what it sees."""

    def __init__(self):
        self.compiled = []
        self.ran = []
        self.fails = {}  # by a test's contract, the word
        self.refused = "no such word"
        self.folder = None

    def compile(self, subject, changed):
        self.compiled.append(subject.name)
        texts = {**SOURCES, **changed}
        text = texts[subject.file] + texts["src/Base.sol"]
        return None if self.refused in text else (text, "")

    def close(self):
        pass

    def first_failure(self, folder, contracts, effort):
        assert contracts
        for name in sorted(contracts):
            self.ran.append((name, effort))
            seen = "Large" if name == "LargeTest" else "Small"
            code = json.loads((folder / f"out/{seen}.sol/{seen}.json").read_text())["bytecode"]["object"]
            if self.fails.get(name, "no such word") in code:
                return f"test_{name}"
        return None


@pytest.fixture
def bench(monkeypatch):
    made = Bench()

    def workshop(contracts, folder):
        for file, text in SOURCES.items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(text)
        for name in ("Small", "Large"):
            (folder / f"out/{name}.sol").mkdir(parents=True)
            empty = {"bytecode": {"object": "0x"}, "deployedBytecode": {"object": "0x"}}
            (folder / f"out/{name}.sol/{name}.json").write_text(json.dumps(empty))

    monkeypatch.setattr(module, "workshop", workshop)
    monkeypatch.setattr(module, "Compiler", lambda folder: made)
    monkeypatch.setattr(module, "first_failure", made.first_failure)
    return made


@pytest.fixture
def laboratory(bench, tmp_path):
    with Laboratory(tmp_path) as made:
        made.prepare(["src/Base.sol"])
        bench.compiled.clear()
        yield made


def code(laboratory, name):
    return json.loads((laboratory.folder / f"out/{name}.sol/{name}.json").read_text())["bytecode"]["object"]


def mutant(after):
    (found,) = [one for one in mutants_of("src/Base.sol", SOURCES["src/Base.sol"]) if after in one.after]
    return found


def test_what_small_contracts_show_needs_no_large_one(bench, laboratory):
    bench.fails = {"SmallTest": "a(2)"}
    assert laboratory.attempt(mutant("a(2)")) == Outcome("killed", "test_SmallTest")
    assert bench.compiled == ["Small"]
    assert bench.ran == [("SmallTest", QUICK)]


def test_a_survivor_meets_every_test_thoroughly(bench, laboratory):
    assert laboratory.attempt(mutant("a(2)")) == Outcome("survived")
    assert bench.compiled == ["Small", "Large"]
    assert bench.ran == [
        ("SmallTest", QUICK), ("LargeTest", QUICK),
        ("LargeTest", THOROUGH), ("SlowTest", THOROUGH), ("SmallTest", THOROUGH),
    ]  # fmt: skip


def test_a_slow_test_kills_what_no_quick_one_does(bench, laboratory):
    bench.fails = {"SlowTest": "a(2)"}
    assert laboratory.attempt(mutant("a(2)")) == Outcome("killed", "test_SlowTest")


def test_the_sound_code_is_in_place_again_after_each(bench, laboratory):
    sound = code(laboratory, "Small"), code(laboratory, "Large")
    bench.fails = {"LargeTest": "a(2)"}
    assert laboratory.attempt(mutant("a(2)")).verdict == "killed"
    assert (code(laboratory, "Small"), code(laboratory, "Large")) == sound
    assert "a(1)" in sound[0]
    assert laboratory.attempt(mutant("a(0)")).verdict == "survived"  # the one before is gone


def test_what_does_not_compile_or_compiles_to_the_same_is_no_mutant(bench, laboratory, monkeypatch):
    bench.refused = "a(2)"
    assert laboratory.attempt(mutant("a(2)")) == Outcome("invalid")
    monkeypatch.setattr(bench, "compile", lambda subject, changed: laboratory._sound[subject])
    assert laboratory.attempt(mutant("a(0)")) == Outcome("same")
    assert bench.ran == []


def test_tests_that_fail_without_a_mutant_are_refused(bench, laboratory):
    laboratory.check()
    bench.fails = {"SlowTest": "a(1)"}
    with pytest.raises(Unsound, match="test_SlowTest fails without a mutant"):
        laboratory.check()


def test_sources_that_do_not_compile_are_refused(bench, tmp_path):
    bench.refused = "a(1)"
    with Laboratory(tmp_path) as made, pytest.raises(Unsound, match=r"^src/.*\.sol does not compile"):
        made.prepare(["src/Base.sol"])
