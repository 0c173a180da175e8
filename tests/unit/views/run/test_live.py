# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from bcfl.scenarios.running.progress import (
    AgentChanged,
    GasUsed,
    PhaseChanged,
    Preparing,
    RoundDone,
    RunEnded,
    RunStarted,
)
from bcfl.views.run.board import Board, watched
from bcfl.views.run.final_table import final_table
from bcfl.views.run.lines import LineView
from bcfl.views.run.live import LiveView, open_view, screen
from bcfl.views.run.pace import Pace


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


def lines_of(stream):
    """The lines of events, without the table after them."""
    return [line for line in stream.getvalue().splitlines() if line.startswith("timestamp=")]


def test_the_screen_shows_round_phase_and_every_participant(events):
    board = Board()
    for event in events[:5]:
        board = watched(board, event)
    shown = text_of(screen(board))
    assert "round 1/2" in shown
    assert "Training" in shown
    bob = next(line for line in shown.splitlines() if line.startswith("bob"))
    assert bob.split() == ["bob", "trained", "0.4500", "+1.2000", "1.2000"]
    assert "trainer 48,000" in shown


def test_what_takes_its_time_is_shown_with_how_long_it_has_and_will(events):
    board, pace = Board(), Pace()
    for now, event in enumerate(events[:3]):
        board = watched(board, event)
        pace = pace.following(board, float(now))
    shown = text_of(screen(board, pace, 13.0))
    assert "Training" in shown
    assert "0:12, about 0:12 left" in shown  # one of two has trained
    preparing = watched(Board(), Preparing(scenario="mnist", what="loading mnist"))
    assert "0:05" in text_of(screen(preparing, Pace().following(preparing, 1.0), 6.0))
    board = watched(board, events[-1])
    assert "left" not in text_of(screen(board, pace, 60.0))


def test_a_thousand_trainers_stay_on_one_screen(scenario):
    names = tuple(f"t-{number}" for number in range(1000))
    board = watched(Board(), RunStarted(scenario=scenario, trainers=names, evaluators=("alice",)))
    shown = text_of(screen(board))
    assert len(shown.splitlines()) < 40
    assert "977 more" in shown


def test_names_are_not_taken_for_markup(events):
    board = watched(
        watched(Board(), events[0]), AgentChanged(name="[red]x", role="trainer", activity="[bold]")
    )
    assert "[red]x" in text_of(screen(board))


def test_the_final_table_says_where_the_money_went(summary):
    shown = text_of(final_table(summary))
    assert "budget 100.0000 = paid 2.1000 + returned 97.9000" in shown
    assert shown.index("bob") < shown.index("charlie") < shown.index("alice")


def test_the_last_line_says_why_it_ended_where_that_needs_explaining(events, summary):
    diverged = summary.model_copy(update={"conclusion": "training diverges: all was lost"})
    assert text_of(final_table(diverged)).strip().endswith("training diverges: all was lost")
    assert "diverges" not in text_of(final_table(summary))
    text = io.StringIO()
    with open_view(text) as lines:
        lines.on_event(RunEnded(summary=diverged))
        lines.on_event(RunEnded(summary=summary))
    first, second = lines_of(text)
    assert 'conclusion="training diverges: all was lost"' in first
    assert "conclusion" not in second


def test_what_is_redirected_ends_with_the_table_and_what_another_program_reads_does_not(events, summary):
    text, data = io.StringIO(), io.StringIO()
    with open_view(text) as lines, open_view(data, as_json=True) as records:
        for event in events:
            lines.on_event(event)
            records.on_event(event)
        assert "participant" not in text.getvalue()
    assert text_of(final_table(summary)).split()[-12:] == text.getvalue().split()[-12:]
    assert "participant  " not in data.getvalue()


def test_the_screen_says_who_is_out_and_why(events, judged):
    board = watched(Board(), events[0])
    assert "why" not in text_of(screen(board))
    for done in judged.rounds:
        board = watched(board, RoundDone(summary=done))
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
    first, second, end = lines_of(text)
    assert 'suspended="bob (harmful)"' in first
    assert 'ejected="bob (harmful)"' in second
    assert "misbehaved=1 found=1 ejected_by_mistake=0 reward_share=0.125" in end


# --- a consortium ---------------------------------------------------------------------------------------------


@pytest.fixture
def consortium_events(hospitals, consortium):
    """A run of which the runner measures the models at the end, as it does."""
    summary = consortium(4)
    unmeasured = {"global_loss": None, "global_accuracy": None}
    rounds = [done.model_copy(update=unmeasured) for done in summary.rounds]
    return [
        RunStarted(scenario=hospitals, trainers=tuple(summary.members), evaluators=()),
        PhaseChanged(round=1, phase="score_reveal", deadline=3600),
        AgentChanged(name="m-0", role="member", activity="scored"),
        AgentChanged(name="m-1", role="member", activity="scoring"),
        AgentChanged(name="m-2", role="member", activity="aggregated"),
        *(RoundDone(summary=done) for done in rounds),
        RunEnded(summary=summary),
    ]


def test_the_screen_of_a_consortium_counts_members(consortium_events):
    board = Board()
    for event in consortium_events[:6]:
        board = watched(board, event)
    shown = text_of(screen(board))
    assert "score reveal" in shown
    assert "loss 0.4500  accuracy 75.00% (first model, on members' own samples)" in shown
    bars = {line.split()[0]: line.split()[-1] for line in shown.splitlines()[1:4]}
    assert bars == {"rounds": "1/3", "trained": "3/4", "judged": "2/4"}
    first = next(line for line in shown.splitlines() if line.startswith("m-0"))
    assert first.split() == ["m-0", "judged", "–", "25.0%", "1.2500"]
    later = text_of(screen(watched(board, consortium_events[6])))
    assert "(model of round 1, on members' own samples)" in later


def test_the_final_table_of_a_consortium_is_about_its_members(consortium, member):
    summary = consortium(4)
    shown = text_of(final_table(summary))
    row = next(line for line in shown.splitlines() if line.startswith("m-0"))
    assert row.split() == ["m-0", "74", "→", "78", "of", "100", "25%", "33.00", "30.00", "3.00"]
    assert "evaluator" not in shown
    assert "a member and round" in shown
    assert "5.0000" in next(line for line in shown.splitlines() if line.split()[:1] == ["1"])
    plain = member(flipped=0.2, judge="copycat").model_copy(update={"alone": None})
    bare = text_of(final_table(summary.model_copy(update={"members": {"m-0": plain}})))
    assert "alone" not in bare
    assert "20%" in bare
    assert "(copycat)" in bare


def test_lines_of_a_consortium_say_what_its_members_measured(consortium_events):
    text = io.StringIO()
    with open_view(text) as lines:
        for event in consortium_events:
            lines.on_event(event)
    started, phase, *_, first, _, end = lines_of(text)
    assert started.endswith("members=4")
    assert "phase=score_reveal" in phase
    assert "judged_loss=0.45 judged_accuracy=0.75" in first
    assert " loss=" not in first
    assert "tokens=4.0000 judging_tokens=1.0000" in first
    assert " loss=0.2 " in end


def test_lines_leave_out_what_no_member_measured_and_name_who_failed(consortium):
    done = consortium(4).rounds[0]
    failed = done.agreement.model_copy(
        update={
            "judged_loss": {},
            "judged_accuracy": {},
            "not_judged": ("m-1",),
            "not_opened": ("m-2",),
            "model": None,
        }
    )
    text = io.StringIO()
    with open_view(text) as lines:
        lines.on_event(RoundDone(summary=done.model_copy(update={"agreement": failed, "global_loss": None})))
    line = text.getvalue()
    assert "loss" not in line
    assert "accuracy" not in line
    assert "not_judged=m-1 not_opened=m-2 model=kept" in line


def test_members_are_not_said_to_be_found_by_anybody(consortium, judged):
    people = {
        name: who.model_copy(update={"behaviour": "sign_flip"})
        for name, who in consortium().participants.items()
    }
    summary = consortium(detection=judged.detection, participants=people)
    text = io.StringIO()
    with open_view(text) as lines:
        lines.on_event(RunEnded(summary=summary))
    assert "misbehaved=1 reward_share=0.125" in text.getvalue()
    assert "thrown out" not in text_of(final_table(summary))
