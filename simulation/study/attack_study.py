"""Comparing robust rules: every rule under every attack, simulated, and one page of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from simulation.many import Runner, simulate_all
from simulation.outcome import Outcome
from simulation.study.attack_cases import (
    DIGITS,
    PNEUMONIA,
    Case,
    Setting,
    cases,
    scenario_of,
    score,
)
from simulation.study.attack_page import Table, page_of, tables_of
from simulation.study.conduct import possible


def settings(on_skip: Callable[[str, str], None]) -> list[Setting]:
    """Return the tables that can be made here.

    Args:
        on_skip: Receives the name of each workload that is left out, and why.
    """
    found: list[Setting] = []
    for several in (DIGITS, PNEUMONIA):
        why_not = possible(scenario_of(next(cases(several))))
        if why_not is None:
            found += several
        else:
            on_skip(several[0].workload, why_not)
    return found


def compare_rules(
    runs: Sequence[Case],
    *,
    jobs: int = 1,
    runner: Runner | None = None,
    cache: Path | None = None,
    on_done: Callable[[], None] = lambda: None,
) -> list[Table]:
    """Simulate runs and return their tables.

    Args:
        runs: The runs.
        jobs: In how many processes of this host.
        runner: Simulates somewhere else than on this host.
        cache: Folder of the outcomes so far, which are not simulated again.
        on_done: Called after each run.
    """

    def done(_place: int, _outcome: Outcome) -> None:
        on_done()

    scenarios = [scenario_of(case) for case in runs]
    outcomes = simulate_all(scenarios, jobs=jobs, runner=runner, cache=cache, on_done=done)
    return tables_of([(c, score(c, found)) for c, found in zip(runs, outcomes, strict=True)])


def write_table(tables: Sequence[Table], made: str, folder: Path) -> Path:
    """Write the page into a folder and return where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "attacks.md"
    path.write_text(page_of(tables, made), "utf-8")
    return path
