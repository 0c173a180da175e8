# SPDX-License-Identifier: Apache-2.0
"""What stands around the live part of a page: its style, the line that tells how fresh it is, and the script that takes pushes.

The script takes fragments and head blocks from a server-sent event stream, keeps what was unfolded and scrolled,
and counts deadlines down by the chain's clock. Without it a page is as it was when it was loaded.
"""

from __future__ import annotations

from html import escape

from bcfl.views.kit.pages import document

__all__ = ("SCRIPT", "page")

_STYLE = """\
:root { --good: #00704f; --bad: #b3261e; --warn: #8a5a00; --card: #8881; }
@media (prefers-color-scheme: dark) { :root { --good: #5fd0a5; --bad: #ff8a80; --warn: #f0b95a; } }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; font-size: .88rem; margin-bottom: 1.4rem; }
h1 { overflow-wrap: anywhere; }
code { overflow-wrap: anywhere; font-size: .9em; }
pre { overflow-x: auto; font-size: .8rem; }
.now { font-size: 1.1rem; margin: .6rem 0; }
.late { color: var(--bad); }
.steps { display: flex; flex-wrap: wrap; gap: .4rem; list-style: none; padding: 0; margin: .8rem 0; }
.steps li { padding: .1rem .7rem; border: 1px solid var(--line); border-radius: 1rem; font-size: .88rem; opacity: .7; }
.steps .here { opacity: 1; font-weight: 600; border-color: currentColor; }
.steps .done::before { content: "✓ "; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .6rem; margin: 1rem 0; }
.facts div { background: var(--card); border-radius: .5rem; padding: .5rem .8rem; }
.facts dt { font-size: .8rem; opacity: .8; }
.facts dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; }
.standing.ejected { color: var(--bad); font-weight: 600; }
.standing.suspended { color: var(--warn); font-weight: 600; }
.standing.active { color: var(--good); }
.case { border-left: .25rem solid var(--warn); padding: .1rem 0 .1rem .8rem; margin: .6rem 0; }
.case.ejected { border-color: var(--bad); }
.case p { margin: .2rem 0; }
.words { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: .88rem; }
.words dt { opacity: .8; }
.words dd { margin: 0; overflow-wrap: anywhere; }
.pair { display: flex; flex-wrap: wrap; gap: 1rem 4rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: .8rem; }
.card { display: flex; flex-direction: column; gap: .2rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; padding: .8rem 1rem; color: inherit; text-decoration: none; overflow-wrap: anywhere; }
.card:hover, .card:focus { border-color: currentColor; }
.card.over { opacity: .75; }
#lost { color: var(--bad); }
@media (max-width: 40rem) { .words { grid-template-columns: 1fr; } .words dd { margin-bottom: .4rem; } }
"""

SCRIPT = """\
"use strict";
const board = document.getElementById("board"), head = document.getElementById("head"), lost = document.getElementById("lost");
let chain = 0, heard = 0;
function tick() {
  if (!chain) return;
  const now = chain + Math.floor((Date.now() - heard) / 1000);
  for (const one of document.querySelectorAll("[data-deadline]")) {
    const left = Number(one.dataset.deadline) - now, late = left < 0, s = Math.abs(left);
    const text = s >= 86400 ? `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`
      : s >= 3600 ? `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`
      : s >= 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s} s`;
    one.textContent = late ? `overdue by ${text}` : `${text} left`;
    one.classList.toggle("late", late);
  }
}
const pushes = new EventSource(document.body.dataset.live || location.pathname.replace(/\\/$/, "") + "/live");
pushes.addEventListener("board", push => {
  const open = new Set([...board.querySelectorAll("details[open]")].map(one => one.id));
  const scrolled = new Map([...board.querySelectorAll(".wide[id]")].map(one => [one.id, one.scrollLeft]));
  const drawn = document.getElementById("curve");
  board.innerHTML = push.data;
  if (drawn?.firstChild) document.getElementById("curve")?.replaceWith(drawn);
  for (const id of open) { const one = document.getElementById(id); if (one) one.open = true; }
  for (const [id, left] of scrolled) { const one = document.getElementById(id); if (one) one.scrollLeft = left; }
  document.title = (board.querySelector("h1")?.textContent ?? "bcfl") + " · bcfl";
  tick();
});
pushes.addEventListener("curve", push => {
  const place = document.getElementById("curve");
  if (place) place.innerHTML = push.data;
});
pushes.addEventListener("head", push => {
  const told = JSON.parse(push.data);
  chain = told.time; heard = Date.now();
  head.textContent = `block ${told.block}`;
  tick();
});
pushes.onopen = () => { lost.hidden = true; };
pushes.onerror = () => { lost.hidden = false; };
setInterval(tick, 1000);
"""


def page(title: str, board: str, *, network: str, home: bool = False) -> str:
    """A whole page.

    Args:
        title: a stranger's word perhaps; it is escaped.
        board: HTML of the live part.
        network: what the chain is called.
        home: whether this is the page of all tasks.
    """
    back = "" if home else '<a href="/">all tasks</a>'
    body = (
        f'<nav>{back}<span>{escape(network)}</span><span id="head" class="sub"></span>'
        '<span id="lost" hidden>connection lost; trying again</span></nav>\n'
        f'<main id="board" aria-live="off">{board}</main>\n<script src="/live.js"></script>\n'
    )
    return document(title, body, style=_STYLE)
