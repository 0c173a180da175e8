# SPDX-License-Identifier: Apache-2.0
"""``bcfl run``, ``replay`` and ``audit`` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from bcfl.contracts.ids import ContentId
from bcfl.storage.content_id import cid_text

FILES = {
    "blobs", "chain.json", "digests.json", "events.jsonl", "figures", "final.safetensors", "log.jsonl", "model.json", "report.html", "rounds.jsonl",
    "scenario.yaml", "summary.json",
}  # fmt: skip


def test_a_run_leaves_its_files_pays_everybody_and_returns_the_rest(honest):
    directory = honest
    assert {path.name for path in directory.iterdir()} == FILES
    told = json.loads((directory / "summary.json").read_text())
    tokens = told["tokens"]
    assert int(tokens["paid"]) + int(tokens["returned"]) == int(tokens["budget"]) == 100 * 10**18
    paid = {n: int(p["tokens"]) for n, p in told["participants"].items() if p["role"] == "trainer"}
    assert sum(paid.values()) == int(tokens["paid"])
    assert all(amount > 0 for amount in paid.values())
    # Shapley values share out what the round gained.
    before = told["genesis"]["loss"]
    for round_ in told["rounds"]:
        assert sum(round_["scores"].values()) == pytest.approx(before - round_["global_loss"], abs=1e-6)
        before = round_["global_loss"]
    assert told["final"]["loss"] < told["genesis"]["loss"]
    assert told["detection"]["adversaries"] == 0
    in_rounds = sum(sum(round_["gas"].values()) for round_ in told["rounds"])
    assert told["gas"]["per_trainer_round"] == pytest.approx(in_rounds / 6)
    assert told["gas"]["total"] > in_rounds  # enrolment and the end are the task's


def test_same_file_and_seed_give_the_same_digest_whatever_the_workers(finished, bcfl):
    variants = (
        ("--set", "compute.workers=1"),
        ("--set", "compute.workers=2"),
        ("--set", "compute.executor=processes", "--set", "compute.workers=2"),
    )
    digests = [bcfl("replay", str(finished(*options)), "--digest").stdout for options in variants]
    assert len(digests[0].strip()) == 64
    assert len(set(digests)) == 1
    other = bcfl("replay", str(finished("--seed", "2")), "--digest").stdout
    assert other not in digests


_OTHER_PROCESSORS = (
    {},
    {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
    {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL", "OPENBLAS_CORETYPE": "Haswell"},
    {"OPENBLAS_CORETYPE": "SkylakeX", "OPENBLAS_NUM_THREADS": "1"},
)
"""What makes torch, numpy and its matrix library compute as they would where the processor had fewer instructions."""


def test_a_run_by_the_kernel_is_the_same_on_other_processors(finished, bcfl, monkeypatch):
    said = set()
    for variables in _OTHER_PROCESSORS:
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            directory = finished("--set", "compute.kernel=lanes", "--set", "task.defence=pipeline")
            told = json.loads((directory / "summary.json").read_text())
            said.add((told["final"]["cid"], bcfl("replay", str(directory), "--digest").stdout))
    assert len(said) == 1


def test_torch_and_the_kernel_learn_the_same_but_for_rounding(finished):
    runs = [finished("--set", f"compute.kernel={kernel}") for kernel in ("torch", "lanes")]
    torch, lanes = (json.loads((run / "summary.json").read_text()) for run in runs)
    assert lanes["final"]["cid"] != torch["final"]["cid"]
    assert lanes["final"]["loss"] == pytest.approx(torch["final"]["loss"], abs=1e-5)
    for ours, theirs in zip(lanes["rounds"], torch["rounds"], strict=True):
        assert ours["scores"] == pytest.approx(theirs["scores"], abs=1e-5)


def test_a_kernel_that_cannot_be_is_said_before_anything_starts(start, monkeypatch):
    run = start("--set", "compute.kernel=lanes", "--set", "task.training.optimizer=adam")
    assert run.end() == 6
    assert "The kernel 'lanes' trains by sgd, not by adam: set compute.kernel: torch." in run.text
    assert not run.directory.exists()


def test_the_runs_scenario_and_specification_say_which_kernel(honest, finished):
    assert "kernel: lanes" in (honest / "scenario.yaml").read_text()
    by_torch = finished("--set", "compute.kernel=torch")
    assert "kernel: torch" in (by_torch / "scenario.yaml").read_text()
    for directory, named in ((honest, True), (by_torch, False)):
        blobs = (path.read_bytes() for path in (directory / "blobs").rglob("*") if path.is_file())
        specifications = [blob for blob in blobs if b"bcfl-specification" in blob[:4000]]
        assert len(specifications) == 1
        assert (b'"kernel":"lanes"' in specifications[0]) is named


def test_replay_rebuilds_the_tables_from_the_event_log_alone(honest, bcfl):
    directory = honest
    told = json.loads((directory / "summary.json").read_text())
    for name in ("summary.json", "rounds.jsonl", "final.safetensors", "log.jsonl"):
        (directory / name).unlink()
    table = bcfl("replay", str(directory))
    assert table.returncode == 0, table.stderr
    for round_ in told["rounds"]:
        assert f"{round_['global_loss']:.4f}" in table.stdout


def test_an_audit_confirms_an_honest_run(honest, bcfl):
    result = bcfl("audit", str(honest))
    assert (result.returncode, "all as they say" in result.stdout) == (0, True), result
    assert "not against a chain (give --url)" in result.stdout


def edit(directory: Path, event: str, change) -> None:
    path = directory / "events.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    target = next(line for line in lines if line["event"] == event)
    change(target)
    path.write_text("".join(json.dumps(line, sort_keys=True) + "\n" for line in lines))


def blob_of(directory: Path, content: list) -> Path:
    cid = cid_text(ContentId(bytes.fromhex(content[0]), content[1]))
    return next(
        path for path in (directory / "blobs").rglob("*") if path.name == cid and path.parent.name != "pins"
    )


def test_an_audit_names_an_altered_score(honest, bcfl):
    directory = honest

    def change(line):
        line["scores"][1] += 10_000_000

    edit(directory, "EvaluationSubmitted", change)
    result = bcfl("audit", str(directory))
    assert result.returncode == 8
    assert "round 1, score of charlie" in result.stdout


def test_an_audit_names_an_altered_digest(honest, bcfl):
    directory = honest

    def change(line):
        line["content"][0] = "ab" + line["content"][0][2:]

    edit(directory, "UpdateSubmitted", change)
    result = bcfl("audit", str(directory))
    assert result.returncode == 8
    assert "round 1, update of " in result.stdout
    assert "unavailable" in result.stdout


@pytest.mark.parametrize(
    ("event", "field", "subject"),
    [
        ("UpdateSubmitted", "content", "update of "),
        ("RoundFinalized", "model", "global model"),
        ("EvaluationSubmitted", "report", "report"),
    ],
)
def test_an_audit_names_an_altered_blob(honest, bcfl, event: str, field: str, subject: str):
    directory = honest
    lines = [json.loads(line) for line in (directory / "events.jsonl").read_text().splitlines()]
    blob = blob_of(directory, next(line for line in lines if line["event"] == event)[field])
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(data)
    result = bcfl("audit", str(directory))
    assert result.returncode == 8
    assert f"round 1, {subject}" in result.stdout


@pytest.mark.parametrize(
    ("event", "change", "finding"),
    [
        ("RewardWithdrawn", lambda line: line.update(amount=7 * line["amount"]), "task, tokens of bob"),
        ("RoundFinalized", lambda line: line.update(payout=line["payout"] + 1), "round 1, payout"),
        ("EvaluationSubmitted", lambda line: line["scores"].pop(), "2 scores for 3 revealed updates"),
        ("scored", lambda line: line.update(loss=0.001), "round 1, global loss"),
        ("scored", lambda line: line.update(start_loss=9.0), "task, genesis loss"),
        ("ValidationOpened", lambda line: line.update(event="EscrowReturned", amount=0), "was never opened"),
    ],
)
def test_an_audit_names_altered_money_losses_and_openings(honest, bcfl, event, change, finding):
    edit(honest, event, change)
    result = bcfl("audit", str(honest))
    assert result.returncode == 8, result.stderr
    assert finding in result.stdout


def test_an_audit_names_a_summary_that_says_something_else(honest, bcfl):
    directory = honest
    path = directory / "summary.json"
    told = json.loads(path.read_text())
    told["rounds"][0]["scores"]["bob"] += 1
    path.write_text(json.dumps(told))
    result = bcfl("audit", str(directory))
    assert result.returncode == 8
    assert "summary.json, rounds.1.scores.bob" in result.stdout


def test_a_directory_with_files_is_left_alone(start, tmp_path: Path):
    occupied = tmp_path / "run-0"
    occupied.mkdir()
    (occupied / "precious").write_text("mine")
    run = start()
    assert run.end() == 2
    assert "holds files already" in run.text
    assert [path.name for path in occupied.iterdir()] == ["precious"]


def test_json_lines_are_json(start):
    run = start("--json")
    assert run.end() == 0, run.text
    records = [json.loads(line) for line in run.text.splitlines() if line.startswith("{")]
    assert records[-1]["event"] == "run_ended"


@pytest.mark.geth
@pytest.mark.asyncio
async def test_a_chain_that_makes_blocks_for_transactions_alone(start, outcome, honest, tmp_path, daemons):
    async with daemons.running_geth(tmp_path) as url:
        run = start("--set", f"chain.url={url}", "--set", "task.schedule.closing_s=2")
        # its blocks' time runs ahead of the wall's, a second a block: deadlines are that much later
        assert await anyio.to_thread.run_sync(run.end) == 0, run.text
    assert outcome(run.directory)[1:] == outcome(honest)[1:]
