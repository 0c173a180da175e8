# SPDX-License-Identifier: Apache-2.0
"""Whoever alters a run's directory is found out: each file in each way, with the file and the line named, and never a crash.

Every tampering is tried twice: as it is, and by somebody who writes ``digests.json`` again, so that only what can be
computed or compared is left to speak against it.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bcfl.cli.app import main
from bcfl.contracts.ids import ContentId
from bcfl.scenarios.directory.digests import write_digests
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.storage.content_id import cid_text

RUNS = ("honest_run", "consortium_run")


@pytest.fixture(params=RUNS)
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """One's own copy of a run: a crowd's, then a consortium's."""
    return Path(shutil.copytree(request.getfixturevalue(request.param), tmp_path / "run"))


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str

    def names(self, place: str) -> bool:
        """Whether a finding or the error is about that file, or that line of it, and no longer number."""
        return any(
            place in line and not line[line.index(place) + len(place) :][:1].isdigit() for line in self.lines
        )

    @property
    def lines(self) -> list[str]:
        return [*self.out.splitlines(), *self.err.splitlines()]


@pytest.fixture
def audited(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """The command in this process."""

    def audit(directory: Path, *options: str) -> Said:
        with pytest.raises(SystemExit) as exited:
            main(["audit", str(directory), *options])
        captured = capsys.readouterr()
        return Said(exited.value.code or 0, captured.out, captured.err)

    return audit


def flip(path: Path, place: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    put(path, bytes(data))


def put(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def cut(path: Path) -> None:
    put(path, path.read_bytes()[:-20])


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, f"{old!r} is not in {path.name}"
    path.write_text(text.replace(old, new, 1))


def records(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "events.jsonl").read_text().splitlines()]


def written(directory: Path, told: list[dict[str, Any]]) -> None:
    lines = [json.dumps(record, sort_keys=True, ensure_ascii=False) + "\n" for record in told]
    (directory / "events.jsonl").write_text("".join(lines))


def number_of(directory: Path, event: str, place: int = 0) -> int:
    return [number for number, one in enumerate(records(directory), start=1) if one["event"] == event][place]


def blob(directory: Path, event: str, key: str, place: int = 0) -> Path:
    content = records(directory)[number_of(directory, event, place) - 1]
    for part in key.split("."):
        content = content[part]
    cid = cid_text(ContentId(bytes.fromhex(content[0]), content[1]))
    return next(path for path in (directory / "blobs" / "blobs").rglob(cid))


def edited(event: str, change: Callable[[dict[str, Any]], object], place: int = 0) -> Callable[[Path], str]:
    """A tampering of one line of the event log."""

    def tamper(directory: Path) -> str:
        number = number_of(directory, event, place)
        told = records(directory)
        change(told[number - 1])
        written(directory, told)
        return f"events.jsonl, line {number}"

    return tamper


def of_lines(change: Callable[[list[str], int], int], event: str) -> Callable[[Path], str]:
    """A tampering that takes out, doubles or moves a line; gives the line where it shows."""

    def tamper(directory: Path) -> str:
        path = directory / "events.jsonl"
        lines = path.read_text().splitlines(keepends=True)
        number = change(lines, number_of(directory, event) - 1)
        path.write_text("".join(lines))
        return f"events.jsonl, line {number}"

    return tamper


def deleted(lines: list[str], place: int) -> int:
    del lines[place]
    return place + 1


def doubled(lines: list[str], place: int) -> int:
    lines.insert(place + 1, lines[place])
    return place + 2


def swapped(lines: list[str], place: int) -> int:
    lines[place], lines[place + 1] = lines[place + 1], lines[place]
    return place + 2


def damaged(lines: list[str], place: int) -> int:
    lines[place] = lines[place].replace('"event"', '"event', 1)
    return place + 1


def of_file(name: str, change: Callable[[Path], object], place: str = "") -> Callable[[Path], str]:
    """A tampering of one file; ``place``: what must be named, where it is more than the file."""

    def tamper(directory: Path) -> str:
        change(directory / name)
        return place or name

    return tamper


def of_blob(event: str, key: str, change: Callable[[Path], object]) -> Callable[[Path], str]:
    """A tampering of one stored content; its name in the store is its id."""

    def tamper(directory: Path) -> str:
        path = blob(directory, event, key)
        change(path)
        return path.name

    return tamper


def another_model(directory: Path) -> str:
    """The first round's model in place of the last one's."""
    shutil.copyfile(blob(directory, "RoundFinalized", "model"), directory / "final.safetensors")
    return "final.safetensors"


def another_blob(directory: Path) -> str:
    """One update under the name of another: a valid file, and not what its name says."""
    one, other = (blob(directory, "UpdateSubmitted", "content", place) for place in (0, 1))
    put(one, other.read_bytes())
    return one.name


def another_round(directory: Path) -> str:
    """An event of the first round in the second: the line and the round it names."""
    told = records(directory)
    number = number_of(directory, "UpdateSubmitted")
    line = told.pop(number - 1)
    there = next(i for i, one in enumerate(told) if one["event"] == "UpdateSubmitted" and one["round"] == 2)
    told.insert(there, {**line, "round": 2})
    written(directory, told)
    return f"events.jsonl, line {there + 1}"


def swapped_addresses(path: Path) -> None:
    told = json.loads(path.read_text())
    told["token"], told["factory"] = told["factory"], told["token"]
    path.write_text(json.dumps(told, indent=2, sort_keys=True) + "\n")


def more_paid(path: Path) -> None:
    told = json.loads(path.read_text())
    told["tokens"]["paid"] = str(int(told["tokens"]["paid"]) + 1)
    path.write_text(json.dumps(told, indent=2) + "\n")


def better_round(path: Path) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[1]["global_accuracy"] = 0.99
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def turned(path: Path) -> None:
    path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))


def one_more_line(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines, lines[-1]]))


PROVED = {
    "scenario: learning rate": of_file(
        "scenario.yaml", lambda p: replaced(p, "learning_rate: 0.05", "learning_rate: 0.06"), "learning_rate"
    ),
    "scenario: seed": of_file("scenario.yaml", lambda p: replaced(p, "seed: ", "seed: 9")),
    "scenario: score": of_file("scenario.yaml", lambda p: replaced(p, "shapley", "leave_one_out"), "score"),
    "scenario: rounds": of_file("scenario.yaml", lambda p: replaced(p, "rounds: 2", "rounds: 3")),
    "scenario: bond": of_file(
        "scenario.yaml", lambda p: replaced(p, "stake: '0'", "stake: '1'"), "config.stake"
    ),
    "scenario: phases": of_file(
        "scenario.yaml", lambda p: replaced(p, "reveal_s: 600", "reveal_s: 60"), "config.schedule.reveal"
    ),
    "scenario: samples": of_file("scenario.yaml", lambda p: replaced(p, "test_samples: ", "test_samples: 1")),
    "scenario: behaviour": of_file(
        "scenario.yaml", lambda p: replaced(p, "behaviour: honest", "behaviour: free_rider")
    ),
    "scenario: cut off": of_file("scenario.yaml", lambda p: put(p, p.read_bytes()[:300])),
    "scenario: missing": of_file("scenario.yaml", Path.unlink),
    "chain: id": of_file("chain.json", lambda p: replaced(p, "31337", "31338")),
    "chain: swapped addresses": of_file("chain.json", swapped_addresses),
    "chain: block": of_file("chain.json", lambda p: replaced(p, '"block": ', '"block": 9')),
    "chain: cut off": of_file("chain.json", cut),
    "chain: missing": of_file("chain.json", Path.unlink),
    "model: a byte": of_file("final.safetensors", flip),
    "model: cut off": of_file("final.safetensors", cut),
    "model: another": another_model,
    "model: missing": of_file("final.safetensors", Path.unlink),
    "summary: a number": of_file("summary.json", more_paid, "summary.json, tokens.paid"),
    "summary: cut off": of_file("summary.json", cut),
    "summary: missing": of_file("summary.json", Path.unlink),
    "rounds: a number": of_file("rounds.jsonl", better_round, "rounds.jsonl, line 2"),
    "rounds: turned": of_file("rounds.jsonl", turned, "rounds.jsonl, line 1"),
    "rounds: one more": of_file("rounds.jsonl", one_more_line, "rounds.jsonl, line 3"),
    "rounds: missing": of_file("rounds.jsonl", Path.unlink),
    "store: update": of_blob("UpdateSubmitted", "content", flip),
    "store: update missing": of_blob("UpdateSubmitted", "content", Path.unlink),
    "store: another update": another_blob,
    "store: model": of_blob("RoundFinalized", "model", cut),
    "store: specification": of_blob("TaskCreated", "config.specification", flip),
    "store: genesis": of_blob("TaskCreated", "config.genesis", Path.unlink),
    "log: no JSON": of_lines(damaged, "RoundStarted"),
    "log: doubled": of_lines(doubled, "RoundFinalized"),
    "log: swapped": of_lines(swapped, "UpdateSubmitted"),
    "log: another round": another_round,
    "log: money": edited("RewardWithdrawn", lambda line: line.update(amount=line["amount"] + 1)),
    "log: a digest": edited("RoundFinalized", lambda line: line["model"].__setitem__(0, "ab" * 32)),
    "log: a commitment": edited(
        "UpdatesCommitted", lambda line: line["entries"][0].__setitem__(1, "ab" * 32)
    ),
    "log: a round": edited("UpdatesCommitted", lambda line: line.update(round=2)),
    "log: a key too many": edited("TaskCompleted", lambda line: line.update(note="paid")),
    "log: a type": edited("RoundStarted", lambda line: line.update(round=True)),
    "log: a decision": edited("commit", lambda line: line.update(commitment="ab" * 32)),
    "log: a participant": edited("run_started", lambda line: line["participants"].pop("keeper")),
    "log: a stranger": edited("training", lambda line: line.update(source="mallory")),
    "log: nothing": of_file("events.jsonl", lambda p: put(p, b"")),
    "log: missing": of_file("events.jsonl", Path.unlink),
}
"""By name: what the other files, the store or a computation speak against; gives the place that must be named."""

DIGESTED = {
    "scenario: description": of_file(
        "scenario.yaml", lambda p: replaced(p, "epochs", "# epochs\n    epochs")
    ),
    "chain: url": of_file("chain.json", lambda p: replaced(p, "ws://", "wss://")),
    "log: deleted": of_lines(deleted, "RewardWithdrawn"),
    "log: a deleted decision": of_lines(deleted, "training"),
    "log: a local loss": edited("trained", lambda line: line.update(loss=0.001)),
    "log: a transaction hash": edited(
        "TaskCompleted", lambda line: line["origin"].update(transaction="0x" + 64 * "a")
    ),
    "log: cut off": of_lines(lambda lines, _: lines.append(lines.pop()[:-9]) or len(lines), "RoundStarted"),
    "digests: a line's": of_file("digests.json", lambda p: replaced(p, '[\n"', '[\n"0')),
    "digests: cut off": of_file("digests.json", cut),
    "digests: missing": of_file("digests.json", Path.unlink),
    "report: a byte": of_file("report.html", flip),
}
"""What nothing but ``digests.json`` pins to its line, or speaks against at all."""


def test_an_untouched_run_passes_and_the_sentence_says_what_it_was_checked_against(directory, audited):
    said = audited(directory)
    assert (said.status, said.err) == (0, "")
    assert (
        "checked against the event log itself and the store, not against a chain (give --url); all as they say"
        in (said.out)
    )


@pytest.mark.parametrize("directory", RUNS[:1], indirect=True)
@pytest.mark.parametrize("tamper", [*PROVED.values(), *DIGESTED.values()], ids=[*PROVED, *DIGESTED])
def test_a_tampering_is_named_with_its_file_and_line(directory, audited, tamper):
    place = tamper(directory)
    said = audited(directory)
    assert said.status in {2, 8}, said
    assert said.names(place), f"{place} is not in\n{said.out}{said.err}"


@pytest.mark.parametrize("tamper", PROVED.values(), ids=PROVED)
def test_writing_the_digests_again_hides_nothing_that_can_be_proved(directory, audited, tamper):
    place = tamper(directory)
    write_digests(RunDirectory(directory))
    said = audited(directory)
    assert said.status in {2, 8}, said
    assert said.names(place), f"{place} is not in\n{said.out}{said.err}"


@pytest.mark.parametrize("directory", RUNS[:1], indirect=True)
def test_a_crowds_report_is_checked_byte_for_byte(directory, audited):
    place = of_blob("EvaluationSubmitted", "report", flip)(directory)
    said = audited(directory)
    assert (said.status, said.names(place)) == (8, True)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    )
    if items is None:
        yield path
        return
    for key, inside in items:
        yield from leaves(inside, (*path, key))


def altered(line: str, rng: random.Random) -> str:
    """The line with one value of another kind or size."""
    record = json.loads(line)
    *path, last = rng.choice(list(leaves(record)))
    at = record
    for key in path:
        at = at[key]
    value = at[last]
    if isinstance(value, bool) or value is None:
        at[last] = not value
    elif isinstance(value, int | float):
        at[last] = rng.choice([value + 1, -1, value * 2 + 1, None])
    else:
        place = rng.randrange(len(value) or 1)
        at[last] = value[:place] + ("0" if value[place : place + 1] != "0" else "1") + value[place + 1 :]
    return json.dumps(record, sort_keys=True, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("seed", range(2))
def test_no_random_tampering_of_a_line_passes_or_crashes(directory, audited, seed):
    path = directory / "events.jsonl"
    untouched = path.read_text().splitlines(keepends=True)
    rng = random.Random(seed)  # noqa: S311 - to repeat, not to hide
    for _ in range(15):
        lines = list(untouched)
        place = rng.randrange(len(lines))
        kind = rng.choice(["altered", "altered", "deleted", "doubled", "moved"])
        if kind == "altered":
            lines[place] = altered(lines[place], rng)
        elif kind == "deleted":
            del lines[place]
        elif kind == "doubled":
            lines.insert(rng.randrange(len(lines)), lines[place])
        else:
            lines.insert((place + rng.randrange(1, len(lines))) % len(lines), lines.pop(place))
        if lines == untouched:
            continue
        path.write_text("".join(lines))
        said = audited(directory)
        assert said.status in {2, 8}, (kind, place + 1, said)
        assert said.names("events.jsonl, line"), (kind, place + 1, said)


def test_no_line_of_the_chain_can_be_left_out_by_who_writes_the_digests_again(directory, audited):
    path = directory / "events.jsonl"
    untouched = path.read_text().splitlines(keepends=True)
    for place, record in enumerate(records(directory)):
        if record["source"] != "chain" or place % 3:
            continue
        path.write_text("".join([*untouched[:place], *untouched[place + 1 :]]))
        write_digests(RunDirectory(directory))
        said = audited(directory)
        assert said.status in {2, 8}, (place + 1, record["event"])
        assert said.names("events.jsonl") or "event log" in said.err, (place + 1, record["event"], said)
