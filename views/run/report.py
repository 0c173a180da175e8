# SPDX-License-Identifier: Apache-2.0
"""``report.html``: what happened in words, the final numbers, then the figures; one file, nothing fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.definition.tokens import format_tokens
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.outcome.results import Results, results_of
from bcfl.scenarios.outcome.summary import RoundSummary, Summary
from bcfl.views.consortium import report as consortium_report
from bcfl.views.kit import pages, plots, trajectories
from bcfl.views.kit.numbers import number, percent
from bcfl.views.kit.tables import table
from bcfl.views.kit.verdicts import eventful, verdict
from bcfl.views.run import classes, evidence
from bcfl.views.run.unpaid import unpaid_in
from bcfl.views.run.words import in_words

__all__ = ("render", "write_report")

_MOST_ROWS = 200

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --line: #8886; --soft: #8881; --accent: #0072B2; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ margin: 0; font-size: 1.7rem; }}
h2 {{ margin: 2.2rem 0 .6rem; font-size: 1.15rem; }}
h3 {{ margin: 1.4rem 0 .2rem; font-size: 1rem; }}
h3 + p {{ margin: 0 0 .5rem; }}
.sub, figcaption {{ opacity: .75; }}
.words {{ font-size: 1.08rem; max-width: 48rem; }}
.cards {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .7rem; margin: 1.2rem 0; }}
.card {{ border: 1px solid var(--line); border-top: 3px solid var(--accent); border-radius: .4rem; padding: .5rem .8rem; }}
.card b {{ display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }}
.card span {{ font-size: .85rem; opacity: .8; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }}
th, td {{ padding: .25rem .8rem .25rem 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }}
th:first-child, td:first-child, td.text, th.text {{ text-align: left; }}
pre {{ background: var(--soft); padding: .8rem; overflow-x: auto; font-size: .85rem; }}
code {{ overflow-wrap: anywhere; }}
{style}</style>
</head>
<body>
<h1>{name}</h1>
<p class="sub">{description}</p>
<p class="sub origin">{origin}</p>
{opening}<p class="words">{words}</p>
<div class="cards">{cards}</div>
<p>Final model: <code>{cid}</code></p>
{thrown_out}
{figures}{classes}
<h2>Rounds</h2>
<div class="wide">{rounds}</div>
<h2>Participants</h2>
<div class="wide">{participants}</div>
<h2>Where the time went</h2>
<div class="wide">{timings}</div>
{data}
<h2>Scenario</h2>
<details><summary>every key, as it ran (seed {seed})</summary><pre>{yaml}</pre></details>
</body>
</html>
"""


def write_report(directory: RunDirectory) -> Path:
    """Write ``report.html`` from the other files of the directory, and return its path.

    Raises:
        ScenarioError: one of those files is missing or damaged.
    """
    scenario, summary = directory.scenario(), directory.summary()
    events = tuple(directory.events())
    figures: dict[str, pages.Draw] = {"Loss and accuracy": partial(plots.loss_and_accuracy, summary)}
    if not summary.members:  # a consortium's have sections of their own
        figures["Scores and tokens"] = partial(plots.scores_and_tokens, summary)
    figures["Gas by role"] = partial(plots.gas_by_role, summary)
    figures["Timeline of events"] = partial(plots.timeline, events)
    opening = thrown_out = ""
    if summary.members:
        opening = consortium_report.opening(scenario, summary, results_of(directory.events()))
    elif eventful(summary):
        thrown_out = _thrown_out(summary, results_of(directory.events()))
    directory.figures.mkdir(exist_ok=True)
    page = render(
        scenario=scenario,
        summary=summary,
        figures={
            title: pages.figure(draw, files=directory.figures / title.lower().replace(" ", "-"))
            for title, draw in figures.items()
        },
        origin=_origin(directory, summary),
        yaml=directory.scenario_file.read_text(encoding="utf-8"),
        notes=_notes(directory),
        thrown_out=thrown_out,
        opening=opening,
        classes=_classes(directory, summary),
    )
    directory.report_file.write_text(page, encoding="utf-8")
    return directory.report_file


def _classes(directory: RunDirectory, summary: Summary) -> str:
    whose = "the test split" if summary.members else "the evaluator"
    found = summary.classification
    return (
        ""
        if found is None
        else classes.section(found, whose=whose, files=directory.figures / "class-by-class")
    )


def _thrown_out(summary: Summary, results: Results) -> str:
    """The section about whoever misbehaved or was sent away."""
    found = summary.detection
    misbehaved = {name: results.misbehaving(name) for name in (found.first_misbehaviour if found else ())}
    measured = {done.round: results.evidence(done.round) for done in summary.rounds}
    told = evidence.section(summary, measured, misbehaved=misbehaved)
    drawn = [
        pages.figure(partial(draw, summary, misbehaved))
        for draw in (trajectories.lanes, trajectories.score_trajectories)
    ]
    return f"<h2>Who was thrown out, and why</h2>{drawn[0]}{told}{drawn[1]}"


def render(
    *,
    scenario: Scenario,
    summary: Summary,
    figures: dict[str, str],
    yaml: str,
    thrown_out: str = "",
    opening: str = "",
    notes: Sequence[str] = (),
    origin: str = "",
    classes: str = "",
) -> str:
    """The page; ``figures`` (by title), ``thrown_out``, ``opening`` and ``classes`` are HTML, everything else is escaped.

    ``opening``: what a consortium's report begins with; ``notes``: what the data say of themselves; ``origin``: when, with what
    and where it ran.
    """
    return _PAGE.format(
        style=pages.STYLE + (consortium_report.STYLE if opening else ""),
        origin=escape(origin),
        opening=f"{opening}\n" if opening else "",
        title=escape(f"{summary.scenario} · bcfl"),
        name=escape(summary.scenario),
        description=escape(scenario.description),
        words=escape(in_words(scenario, summary)),
        cards="".join(
            f'<div class="card"><b>{escape(value)}</b><span>{escape(what)}</span></div>'
            for what, value in _cards(summary)
        ),
        cid=escape(summary.final.cid),
        thrown_out=thrown_out,
        classes=classes,
        figures="".join(f"<h2>{escape(title)}</h2>{drawn}" for title, drawn in figures.items()),
        rounds=_rounds(summary),
        participants=_participants(summary) + _unpaid(summary),
        timings=_timings(summary),
        seed=summary.seed,
        yaml=escape(yaml),
        data=_data(scenario, notes),
    )


def _origin(directory: RunDirectory, summary: Summary) -> str:
    """When, with what, on which chain: as much as the run has noted of itself."""
    record = directory.chain() if directory.chain_file.is_file() else {}
    commit = f" ({record['commit']})" if record.get("commit") else ""
    return " · ".join(
        [
            *(
                [f"{datetime.fromisoformat(record['started']):%Y-%m-%d %H:%M} UTC"]
                if "started" in record
                else []
            ),
            *([f"bcfl {record['version']}{commit}"] if "version" in record else []),
            *([f"chain {record['chain_id']}, {_node(record)}"] if record else []),
            f"seed {summary.seed}",
        ]
    )


def _node(record: Mapping[str, Any]) -> str:
    return "the run’s own devnet" if record["own_devnet"] else str(record["url"])


def _notes(directory: RunDirectory) -> Sequence[str]:
    """What the log's first record has of the data."""
    began = (record for record in directory.events() if record["event"] == "run_started")
    return next((record.get("notes", ()) for record in began), ())


def _data(scenario: Scenario, notes: Sequence[str]) -> str:
    """What was read, left out or changed; empty for data that say nothing."""
    told = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<h2>The data</h2><p>{escape(scenario.data.dataset.name)}</p><ul>{told}</ul>" if told else ""


def _cards(summary: Summary) -> list[tuple[str, str]]:
    cards = [
        ("final loss", number(summary.final.loss)),
        ("final accuracy", percent(summary.final.accuracy)),
        ("tokens paid", format_tokens(summary.tokens.paid)),
        ("tokens returned", format_tokens(summary.tokens.returned)),
        (
            f"gas a {'member' if summary.members else 'trainer'} and round",
            f"{summary.gas.per_trainer_round:,.0f}",
        ),
        ("seconds in all", f"{summary.timings.total_s:.1f}"),
    ]
    found = summary.detection
    if (
        found is not None and eventful(summary) and not summary.members
    ):  # nobody throws members out for their scores
        cards += [
            ("adversaries thrown out", f"{found.ejected_adversaries} of {found.adversaries}"),
            ("honest thrown out by mistake", f"{found.ejected_honest} of {found.honest}"),
            ("adversaries' share of the pay", percent(found.reward_share)),
            (
                "an adversary's pay; 1 is fair",
                "–" if found.relative_pay is None else f"{found.relative_pay:.2f}",
            ),
        ]
    if summary.final.backdoor_success is not None:
        cards.append(("of samples on which the backdoor works", percent(summary.final.backdoor_success)))
    return cards


def _rounds(summary: Summary) -> str:
    heads = ["round", "loss", "accuracy", "scored", "rejected", "tokens", "gas"]
    start = ["genesis", number(summary.genesis.loss), percent(summary.genesis.accuracy), "", "", "", ""]
    rows = [start, *(_round(done) for done in summary.rounds)]
    if summary.members:
        heads.insert(-1, "for judging")
        for row, done in zip(rows, (None, *summary.rounds), strict=True):
            judging = (
                done.agreement.evaluation_tokens if done is not None and done.agreement is not None else None
            )
            row.insert(-1, "" if judging is None else format_tokens(sum(map(int, judging.values()))))
    return table(heads, rows, text=(4,))


def _round(done: RoundSummary) -> list[str]:
    return [
        str(done.round),
        number(done.global_loss),
        percent(done.global_accuracy),
        str(len(done.scores)),
        ", ".join(f"{name}: {reason}" for name, reason in list(done.rejected.items())[:8]) or "–",
        format_tokens(sum(int(amount) for amount in done.tokens.values())),
        f"{sum(done.gas.values()):,}",
    ]


def _participants(summary: Summary) -> str:
    people = sorted(summary.participants.items(), key=lambda item: -int(item[1].tokens))
    spent = {name: epsilon for done in summary.rounds for name, epsilon in done.epsilon.items()}
    rows = [
        [
            name,
            who.role,
            who.behaviour,
            format_tokens(who.tokens),
            verdict(summary, name),
            who.address,
            *([number(spent.get(name))] if spent else []),
        ]
        for name, who in people[:_MOST_ROWS]
    ]
    heads = ["participant", "role", "behaviour", "tokens", "verdict", "address"]
    shown = table([*heads, *(["privacy spent, ε"] if spent else [])], rows, text=(1, 2, 4, 5))
    more = len(people) - _MOST_ROWS
    return shown + (f"<p>… and {more:,} more in summary.json</p>" if more > 0 else "")


def _unpaid(summary: Summary) -> str:
    """Who was not paid in a round, why, and what that cost; nothing where everybody was."""
    every = [one for done in summary.rounds for one in unpaid_in(done)]
    if not every:
        return ""
    rows = [[str(one.round), one.name, one.why, format_tokens(one.others)] for one in every[:_MOST_ROWS]]
    more = len(every) - _MOST_ROWS
    shown = table(["round", "participant", "why it was not paid", "others got, median"], rows, text=(1, 2))
    return f"<h2>Not paid in a round</h2>{shown}" + (
        f"<p>… and {more:,} more in summary.json</p>" if more > 0 else ""
    )


def _timings(summary: Summary) -> str:
    timings = summary.timings
    rows = [
        [what, f"{seconds:.2f}"]
        for what, seconds in (
            ("in all", timings.total_s),
            ("training", timings.training_s),
            ("scoring", timings.scoring_s),
            ("chain", timings.chain_s),
            ("storage", timings.storage_s),
        )
    ]
    rows.append(["events delivered to agents", f"{summary.events.delivered:,}"])
    rows.append(["events taken back by reorganisations", f"{summary.events.retracted:,}"])
    return table(["work (kinds overlap)", "seconds"], rows)
