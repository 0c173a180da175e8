# SPDX-License-Identifier: Apache-2.0
"""Audits a run directory: its event log and blobs against the computation, then its summary against its log."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio.to_thread

from bcfl.agents.auditor import Auditor, AuditResult, Finding
from bcfl.agents.consortium_auditor import ConsortiumAuditor
from bcfl.agents.evaluation import RoundEvaluator
from bcfl.agents.member_round import MemberRounds
from bcfl.agents.retrieval import Retrieval
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Kind
from bcfl.errors import ContractError
from bcfl.models.training.engine import Engine
from bcfl.scenarios.population import VALIDATION_SAMPLES, Population, held_out_key, populate
from bcfl.scenarios.results import NOT_REVEALED, Results, results_of
from bcfl.scenarios.run_directory import RunDirectory
from bcfl.scenarios.summary import Timings
from bcfl.seeds import Seeds
from bcfl.storage.opening import open_store

__all__ = ("audit",)

_NOT_REPEATABLE = {"timings"}


async def audit(path: Path, *, data_dir: Path | None = None) -> AuditResult:
    """Audit the run in a directory.

    Raises:
        BcflError: the directory, its data or its store cannot be read.
    """
    directory = RunDirectory.open(path)
    scenario = directory.scenario()
    results = results_of(directory.events())
    events = results.task_events  # refuses a log that ends too early
    source = scenario.data.dataset.create("dataset")
    dataset = await anyio.to_thread.run_sync(source.load, data_dir)
    population = populate(scenario, dataset, Seeds(scenario.seed))
    location = str(directory.blobs) if scenario.storage.kind == "directory" else scenario.storage.url
    async with (
        open_store(scenario.storage.kind, location) as store,
        Engine.start(
            executor="threads", workers=scenario.compute.workers or 2, device=scenario.compute.device
        ) as engine,
    ):
        retrieval = Retrieval(store)
        auditor: Auditor | ConsortiumAuditor
        if population.kind is Kind.CONSORTIUM:
            auditor = ConsortiumAuditor(
                retrieval=retrieval, judges=_judges(population, engine, retrieval), names=results.names
            )
        else:
            engine.add_samples(VALIDATION_SAMPLES, population.validation)
            auditor = Auditor(
                retrieval=retrieval,
                rounds=RoundEvaluator(engine=engine, retrieval=retrieval, samples_key=VALIDATION_SAMPLES),
                validation_digest=bytes.fromhex(population.validation.digest()),
                names=results.names,
            )
        found = await auditor.audit(events)
    reports = auditor.reports if isinstance(auditor, Auditor) else {}
    try:
        told = [*_record_differences(results, reports), *_summary_differences(directory, results)]
    except ContractError:
        told = []  # the log contradicts itself, and the auditor has said where
    return AuditResult(findings=(*found.findings, *told), checked=found.checked + 1 + len(reports))


def _judges(population: Population, engine: Engine, retrieval: Retrieval) -> dict[Address, MemberRounds]:
    """Every member's judging: who has the scenario has the data that each judged on."""
    judges = {}
    for name, held in population.held_out.items():
        engine.add_samples(held_out_key(name), population.train.select(held))
        judges[population.signers[name].address] = MemberRounds(
            engine=engine, retrieval=retrieval, held_out=held_out_key(name)
        )
    return judges


def _record_differences(results: Results, reports: Mapping[int, EvaluationReport]) -> list[Finding]:
    """Where the event log's record of an evaluation is not the report that is in the store."""
    names = {index: results.names.get(m.account, m.account) for index, m in results.state.members.items()}
    findings = []
    for number, report in reports.items():
        round_ = results.round(number)
        pairs: dict[str, tuple[object, object]] = {
            "global loss": (round_.global_loss, report.loss),
            "global accuracy": (round_.global_accuracy, report.accuracy),
            "validation losses": (
                round_.validation_loss,
                {names[index]: loss for index, loss in report.validation_loss.items()},
            ),
            "rejections": (
                {name: why for name, why in round_.rejected.items() if why != NOT_REVEALED},
                {names[index]: why for index, why in report.rejected.items()},
            ),
        }
        findings += [
            Finding(round=number, subject=subject, message=f"the log says {said}, the report {found}")
            for subject, (said, found) in pairs.items()
            if said != found and not (said is None and isinstance(found, float) and not math.isfinite(found))
        ]
    first = reports.get(min(reports, default=0))
    genesis = results.genesis
    if first is not None and genesis.loss not in {first.start_loss, None}:
        findings.append(
            Finding(
                round=0,
                subject="genesis loss",
                message=f"the log says {genesis.loss}, the report {first.start_loss}",
            )
        )
    return findings


def _summary_differences(directory: RunDirectory, results: Results) -> list[Finding]:
    """Where ``summary.json`` says something else than the event log."""
    said = directory.summary()
    found = results.summary(scenario=said.scenario, seed=said.seed, timings=Timings(total_s=0.0))
    return [
        Finding(round=0, subject=f"summary.json, {where}", message=f"it says {a}, the event log says {b}")
        for where, a, b in _differences(
            said.model_dump(mode="json", exclude=_NOT_REPEATABLE),
            found.model_dump(mode="json", exclude=_NOT_REPEATABLE),
        )
    ]


def _differences(said: Any, found: Any, where: str = "") -> list[tuple[str, Any, Any]]:  # noqa: ANN401 - JSON values
    if isinstance(said, dict) and isinstance(found, dict):
        keys = [*said, *(key for key in found if key not in said)]
        pairs = [(str(key), said.get(key), found.get(key)) for key in keys]
    elif isinstance(said, list) and isinstance(found, list) and len(said) == len(found):
        pairs = [(str(place), a, b) for place, (a, b) in enumerate(zip(said, found, strict=True), start=1)]
    else:
        return [] if said == found else [(where, said, found)]
    return [part for key, a, b in pairs for part in _differences(a, b, f"{where}.{key}" if where else key)]
