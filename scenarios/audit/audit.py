# SPDX-License-Identifier: Apache-2.0
"""Audits a run directory: what is cheap first, then the chain where one is given, then everything is computed again.

A damaged directory may break whatever is computed from it. Once something was found, such a break is one finding more and
not a fault of ours: the rest was not checked, and that is said.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path

from bcfl.agents.audit.finding import AuditResult, Finding
from bcfl.agents.audit.lists import listed
from bcfl.agents.audit.log_order import order_findings
from bcfl.agents.common.retrieval import Retrieval
from bcfl.agents.consortium.auditor import ConsortiumAuditor
from bcfl.agents.consortium.member_round import MemberRounds
from bcfl.agents.crowdsourcing.auditor import Auditor
from bcfl.agents.crowdsourcing.evaluation import RoundEvaluator
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import Address, ContentId
from bcfl.contracts.phases import Kind
from bcfl.errors import BcflError
from bcfl.models.training.engine import Engine
from bcfl.scenarios.audit.chain import chain_findings
from bcfl.scenarios.audit.commitments import commitment_findings
from bcfl.scenarios.audit.decisions import decision_findings
from bcfl.scenarios.audit.files import model_findings, round_findings, summary_findings
from bcfl.scenarios.audit.line_order import line_findings
from bcfl.scenarios.audit.measures import measure_findings
from bcfl.scenarios.audit.reports import report_findings
from bcfl.scenarios.audit.task import (
    data_findings,
    participant_findings,
    place_findings,
    specification_findings,
    task_findings,
)
from bcfl.scenarios.directory.digests import digest_findings
from bcfl.scenarios.directory.event_log import FILE, EventLog, read_event_log
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.directory.trained import kept_genesis
from bcfl.scenarios.errors import RunDirectoryUnreadable
from bcfl.scenarios.outcome.results import Results, results_of
from bcfl.scenarios.planning.plan import Plan, planned
from bcfl.scenarios.planning.population import VALIDATION_SAMPLES, held_out_key
from bcfl.scenarios.running.resources import opened
from bcfl.storage.errors import FetchError

__all__ = ("audit",)


async def audit(path: Path, *, data_dir: Path | None = None, url: str | None = None) -> AuditResult:
    """Audit the run in a directory.

    Args:
        path: of the directory.
        data_dir: where the run's data lie, as for a run.
        url: a node's WebSocket; the event log is compared with its chain too.

    Raises:
        BcflError: the directory, its data, its store or the node cannot be read, and nothing else is wrong.
    """
    directory = RunDirectory.open(path)
    log = read_event_log(directory.events_file)
    auditing = _Auditing(directory, log)
    try:
        await auditing.everything(data_dir=data_dir, url=url)
    except (BcflError, LookupError, ArithmeticError, ValueError) as error:
        if not auditing.findings:
            raise
        reason = (
            str(error) if isinstance(error, BcflError) else f"such a run cannot be computed again ({error!r})"
        )
        auditing.findings.append(Finding(subject="audit", message=f"the rest was not checked: {reason}"))
    return AuditResult(findings=tuple(auditing.findings), checked=auditing.checked)


class _Auditing:
    """One audit under way."""

    def __init__(self, directory: RunDirectory, log: EventLog) -> None:
        self._directory = directory
        self._log = log
        self.findings: list[Finding] = []
        self.checked = len(log.lines)

    def _add(self, findings: Iterable[Finding], *, default: str = "") -> None:
        """Note findings, each with the line of the event that it is about, or a file where there is none."""
        for found in findings:
            number = None if found.event is None else self._log.line_of(found.event)
            line = default if number is None else f"{FILE}, line {number}"
            message = f"{found.message} ({line})" if found.where and line else found.message
            self.findings.append(dataclasses.replace(found, where=found.where or line, message=message))

    async def everything(self, *, data_dir: Path | None, url: str | None) -> None:
        directory, log = self._directory, self._log
        self._add(log.findings)
        self._add(digest_findings(directory))
        self._add(order_findings(line.event for line in log.kept if line.event is not None))
        self._add(line_findings(log))
        scenario = directory.scenario()
        results = results_of(log.records)
        created = results.created
        chain = self._place()
        started_in = None if chain is None else chain.get("started_in")
        plan = await planned(
            scenario, data_dir=data_dir, started_in=started_in, genesis=kept_genesis(directory)
        )
        self._add(task_findings(plan, created))
        self._add(data_findings(plan, results.task_events))
        self._add(_participants(plan, log))
        if chain is not None:
            self._add(place_findings(chain, created, plan))
        if url is not None and chain is not None:
            self._add(await chain_findings(url, chain, log, created))
        await self._computed(plan, results, chain)
        self._add(round_findings(directory, results))
        self._add(summary_findings(directory, scenario, results))

    def _place(self) -> Mapping[str, object] | None:
        """What ``chain.json`` says; None where it cannot be read, and without it nothing else is lost."""
        try:
            return self._directory.chain()
        except RunDirectoryUnreadable:
            file = self._directory.chain_file.name
            self._add([Finding(subject=file, message="it is missing or damaged", where=file)])
            return None

    async def _computed(self, plan: Plan, results: Results, chain: Mapping[str, object] | None) -> None:
        """Whatever needs contents from the store."""
        async with opened(plan, self._directory, executor="threads") as (engine, store):
            retrieval = Retrieval(store)
            auditor = _auditor(plan, engine, retrieval, results.names)
            events = results.task_events
            chain_id = None if chain is None else chain.get("chain_id")
            if isinstance(chain_id, int):
                events, lacking = await listed(events, retrieval, chain_id=chain_id)
                self._add(lacking)
            found = await auditor.audit(events)
            self._add(found.findings, default=FILE)
            self.checked += found.checked
            state = results.state
            self._add(await model_findings(self._directory, state, retrieval))
            self._add(await _specification(plan, state.config.specification, retrieval))
            self._add(await measure_findings(plan, self._log, state, contents=retrieval, engine=engine))
        if chain is not None:
            self._add(commitment_findings(plan, state, results.task_events, chain.get("chain_id")))
        self._add(
            decision_findings(
                self._log, state, results.names, {n: told["role"] for n, told in plan.participants.items()}
            )
        )
        reports: Mapping[int, EvaluationReport] = auditor.reports if isinstance(auditor, Auditor) else {}
        self._add(report_findings(results, reports, self._log))


def _participants(plan: Plan, log: EventLog) -> list[Finding]:
    line = next(line for line in log.lines if line.record["event"] == "run_started")
    where = f"{FILE}, line {line.number}"
    found = list(participant_findings(plan, line.record["participants"], where))
    if tuple(line.record.get("notes", ())) != plan.notes:
        found.append(Finding(subject="notes", message=f"the data say {list(plan.notes)}", where=where))
    return found


async def _specification(plan: Plan, content: ContentId, retrieval: Retrieval) -> list[Finding]:
    try:
        data = await retrieval.content(content, max_bytes=content.size)
    except FetchError:
        return []  # the auditor has said so
    return list(specification_findings(plan, data))


def _auditor(
    plan: Plan, engine: Engine, retrieval: Retrieval, names: Mapping[Address, str]
) -> Auditor | ConsortiumAuditor:
    """The auditor of the task's kind; who has the scenario has the data that everybody judged on."""
    population = plan.population
    if population.kind is Kind.CROWDSOURCING:
        return Auditor(
            retrieval=retrieval,
            rounds=RoundEvaluator(
                engine=engine,
                retrieval=retrieval,
                samples_key=VALIDATION_SAMPLES,
                samples=len(population.validation),
            ),
            validation_digest=bytes.fromhex(population.validation.digest()),
            names=names,
        )
    judges = {}
    for name in population.held_out:
        judges[population.signers[name].address] = MemberRounds(
            engine=engine, retrieval=retrieval, held_out=held_out_key(name)
        )
    return ConsortiumAuditor(retrieval=retrieval, judges=judges, names=names)
