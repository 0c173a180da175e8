# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from bcfl.scenarios.progress import AgentChanged, GasUsed, PhaseChanged, RoundDone, RunEnded, RunStarted
from bcfl.views.board import Board, fold
from bcfl.views.lines import LineView
from bcfl.views.live import LiveView, final_table, open_view, screen


@pytest.fixture
def events(scenario, summary):
    return [
        RunStarted(scenario=scenario, trainers=("bob", "charlie"), evaluators=("alice",)),
        PhaseChanged(round=1, phase="Training", deadline=3600),
        AgentChanged(name="bob", role="trainer", activity="trained", loss=0.4),
        GasUsed(role="trainer", gas=48_000),
        *(RoundDone(summary=done) for done in summary.rounds),
        RunEnded(summary=summary),
    ]


def text_of(renderable) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(renderable)
    return console.file.getvalue()


def test_the_screen_shows_round_phase_and_every_participant(events):
    board = Board()
    for event in events[:5]:
        board = fold(board, event)
    shown = text_of(screen(board))
    assert "round 1/2" in shown
    assert "Training" in shown
    bob = next(line for line in shown.splitlines() if line.startswith("bob"))
    assert bob.split() == ["bob", "trained", "0.4500", "+1.2000", "1.2000"]
    assert "trainer 48,000" in shown


def test_a_thousand_trainers_stay_on_one_screen(scenario):
    names = tuple(f"t-{number}" for number in range(1000))
    board = fold(Board(), RunStarted(scenario=scenario, trainers=names, evaluators=("alice",)))
    shown = text_of(screen(board))
    assert len(shown.splitlines()) < 40
    assert "977 more" in shown


def test_names_are_not_taken_for_markup(events):
    board = fold(fold(Board(), events[0]), AgentChanged(name="[red]x", role="trainer", activity="[bold]"))
    assert "[red]x" in text_of(screen(board))


def test_the_final_table_says_where_the_money_went(summary):
    shown = text_of(final_table(summary))
    assert "budget 100.0000 = paid 2.1000 + returned 97.9000" in shown
    assert shown.index("bob") < shown.index("charlie") < shown.index("alice")


def test_the_screen_says_who_is_out_and_why(events, judged):
    board = fold(Board(), events[0])
    assert "why" not in text_of(screen(board))
    for done in judged.rounds:
        board = fold(board, RoundDone(summary=done))
    bob = next(line for line in text_of(screen(board)).splitlines() if line.startswith("bob"))
    assert "ejected" in bob
    assert bob.rstrip().endswith("round 2: made the model worse")


def test_the_final_table_has_verdicts_where_there_are_any(summary, judged):
    shown = text_of(final_table(judged))
    bob = next(line for line in shown.splitlines() if line.startswith("bob"))
    assert "sign_flip  thrown out in round 2: made the model worse" in bob
    assert bob.endswith("0.0000")
    assert "1 of 1 trainer who misbehaved was thrown out, and 0 of 1 honest ones by mistake" in shown
    assert "verdict" not in text_of(final_table(summary))


def test_the_live_view_leaves_the_final_table(events):
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with LiveView(console) as view:
        for event in events:
            view.on_event(event)
    assert "returned 97.9000" in console.file.getvalue()


def test_a_stopped_run_leaves_no_table(events):
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with LiveView(console) as view:
        view.on_event(events[0])
    assert "returned" not in console.file.getvalue()


def test_where_there_is_no_terminal_lines_are_written():
    assert isinstance(open_view(io.StringIO()), LineView)


def test_lines_are_short_and_json_is_whole(events, summary):
    text, data = io.StringIO(), io.StringIO()
    with open_view(text) as lines, open_view(data, as_json=True) as records:
        for event in events:
            lines.on_event(event)
            records.on_event(event)
    assert "event=phase_changed round=1 phase=Training" in text.getvalue()
    assert "gas_used" not in text.getvalue()
    parsed = [json.loads(line) for line in data.getvalue().splitlines()]
    assert len(parsed) == len(events)
    last = {key: value for key, value in parsed[-1].items() if key not in ("event", "timestamp")}
    assert last == json.loads(summary.model_dump_json())


def test_lines_name_who_is_out_and_the_end_counts_them(judged):
    text = io.StringIO()
    with open_view(text) as lines:
        for event in (*(RoundDone(summary=done) for done in judged.rounds), RunEnded(summary=judged)):
            lines.on_event(event)
    first, second, end = text.getvalue().splitlines()
    assert 'suspended="bob (harmful)"' in first
    assert 'ejected="bob (harmful)"' in second
    assert "misbehaved=1 found=1 ejected_by_mistake=0 reward_share=0.125" in end
