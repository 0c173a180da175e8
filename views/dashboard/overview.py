# SPDX-License-Identifier: Apache-2.0
"""All tasks of a factory at a glance: one card each, living ones first."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from bcfl.scenarios.following.watched import Watched
from bcfl.views.dashboard.members import tokens
from bcfl.views.dashboard.task import deadline, phase_words, title_of
from bcfl.views.kit.numbers import percent

__all__ = ("overview_fragment",)

_MOST = 200


def overview_fragment(tasks: Iterable[Watched]) -> str:
    """HTML of the cards; of very many tasks the newest."""
    every = sorted(tasks, key=lambda one: (one.state.ended, -one.created.number))
    if not every:
        return "<h1>Tasks</h1><p>This factory has made no task yet.</p>"
    living = sum(not one.state.ended for one in every)
    more = len(every) - _MOST
    rest = f"<p class=sub>… and {more:,} older ones</p>" if more > 0 else ""
    return (
        f"<h1>Tasks</h1><p class=sub>{living} of {len(every):,} are under way.</p>"
        f'<div class="cards">{"".join(_card(one) for one in every[:_MOST])}</div>{rest}'
    )


def _card(watched: Watched) -> str:
    state = watched.state
    thrown = sum(member.ejected_round is not None for member in state.members.values())
    facts = [
        f"{len(state.active_members)} of {state.config.capacity} members",
        f"{tokens(state.escrow)} of {tokens(state.budget)} tokens left",
    ]
    if quality := watched.quality:
        facts.append(f"accuracy {percent(quality[max(quality)][1])}")
    if thrown:
        facts.append(f"{thrown} thrown out")
    return (
        f'<a class="card{" over" if state.ended else ""}" href="/task/{escape(state.address)}"><b>{escape(title_of(watched))}</b>'
        f"<span>{escape(phase_words(watched))} {deadline(watched)}</span>"
        f'<span class="sub">{watched.kind.name.lower()} · {escape(" · ".join(facts))}</span></a>'
    )
