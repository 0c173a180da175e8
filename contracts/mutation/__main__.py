# SPDX-License-Identifier: Apache-2.0
"""``make mutants``: sample mutants of every contract, try each, and say how many the tests killed.

Status 1 below 90 % of those that could be killed. Goes on where it stopped; ``--sample`` may grow from run to run.
"""

from __future__ import annotations

import argparse
import json
import queue
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from bcfl.contracts.mutation import report
from bcfl.contracts.mutation.generation import mutants_of
from bcfl.contracts.mutation.journal import Journal
from bcfl.contracts.mutation.laboratory import Laboratory
from bcfl.contracts.mutation.mutant import Mutant, sample
from bcfl.contracts.mutation.subjects import read_sources
from bcfl.contracts.toolchain import ROOT

LEAST = 90.0


def arguments(sources: Iterable[str]) -> argparse.Namespace:
    """The command line, where only these sources are named."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument(
        "files", nargs="*", help="of contracts/, such as src/Escrow.sol; all where none is named"
    )
    parser.add_argument("--sample", type=int, default=30, help="mutants of each file; 0: every one")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--workers", type=int, default=2, help="at once, each in a copy of its own")
    parser.add_argument("--out", type=Path, default=Path("runs/mutants"), help="folder of journal and report")
    parser.add_argument("--list", action="store_true", help="print the sample instead of trying it")
    options = parser.parse_args()
    if unknown := sorted(set(options.files) - set(sources)):
        parser.error(
            f"{unknown[0]} is no source of the contracts; name them from contracts/, such as src/Escrow.sol"
        )
    return options


def try_all(mutants: list[Mutant], journal: Journal, workers: int) -> None:
    """Try those of which the journal knows nothing yet, and print a line for each."""
    waiting = [mutant for mutant in mutants if journal.outcome(mutant) is None]
    if not waiting:
        return
    files = dict.fromkeys(mutant.file for mutant in waiting)
    began = time.monotonic()
    with ExitStack() as stack:
        first = stack.enter_context(Laboratory(ROOT)).prepare(files)
        first.check()
        others = [stack.enter_context(Laboratory(first.folder)) for _ in range(workers - 1)]
        free: queue.SimpleQueue[Laboratory] = queue.SimpleQueue()
        for laboratory in (first, *(other.prepare(files) for other in others)):
            free.put(laboratory)

        def attempt(mutant: Mutant) -> None:
            laboratory = free.get()
            try:
                outcome = laboratory.attempt(mutant)
            finally:
                free.put(laboratory)
            journal.add(mutant, outcome)
            by = f" by {outcome.by}" if outcome.by else ""
            sys.stdout.write(
                f"{time.monotonic() - began:6.0f} s  {mutant.file}:{mutant.line} {outcome.verdict}{by}\n"
                f"          {mutant.after}\n"
            )
            sys.stdout.flush()

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(attempt, waiting))


def main() -> int:
    """Try, report and judge."""
    sources = read_sources(ROOT)
    options = arguments(sources)
    files: Iterable[str] = options.files or [file for file in sources if file.startswith("src/")]
    every = [mutant for file in files for mutant in mutants_of(file, sources[file])]
    chosen = sample(every, options.sample or None, options.seed)
    if options.list:
        for mutant in chosen:
            sys.stdout.write(
                f"{mutant.file}:{mutant.line} {mutant.operator}\n- {mutant.before}\n+ {mutant.after}\n"
            )
        return 0
    journal = Journal(options.out / "journal.jsonl", sources)
    try_all(chosen, journal, options.workers)
    found = [(mutant, outcome) for mutant in chosen if (outcome := journal.outcome(mutant)) is not None]
    results = report.judged(found, report.read_equivalents(Path(__file__).with_name("equivalents.toml")))
    table = report.as_markdown(results)
    (options.out / "report.md").write_text(table, encoding="utf-8")
    (options.out / "report.json").write_text(
        json.dumps(report.as_json(results), indent=1) + "\n", encoding="utf-8"
    )
    sys.stdout.write(table)
    return 0 if report.score(results) >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
