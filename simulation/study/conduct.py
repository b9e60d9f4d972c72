"""Conducting the study: which runs there are, what they cost, and what is measured of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import FairwindError, SettingError
from models.configured import configured
from models.workload import load_workload
from simulation.code import code_digest
from simulation.many import Runner, simulate_all
from simulation.outcome import Outcome
from simulation.scenario.files import find_file
from simulation.scenario.scenario import Scenario
from simulation.study.contender import Chapter, Contender
from simulation.study.field import RATES, TUNED
from simulation.study.measures import Row, Yardstick, measure, yardstick
from simulation.study.tuning import chosen_rates, with_rates

Case = tuple[Chapter, Contender, int]
"""One run: chapter, contender and seed."""

Found = dict[tuple[str, tuple[str, str, str | None], int], Outcome]
"""Outcomes by chapter, contender and seed."""


@dataclass(frozen=True, slots=True)
class StudyResults:
    """What the study found.

    Attributes:
        chapters: Those that are held out last, at the chosen learning rates alone.
        yardsticks: By chapter.
        rows: One a run.
        rates: By policy, the learning rate that was chosen for it with our work and round size, in
            multiples of the scenario's.
    """

    chapters: tuple[Chapter, ...]
    yardsticks: dict[str, Yardstick]
    rows: tuple[Row, ...]
    rates: dict[str, float]

    def of(self, chapter: str, contender: str, forecast: str | None = None) -> list[Row]:
        """Return a contender's runs, one a seed; with its usual forecast if none is named."""
        return [
            row
            for row in self.rows
            if (row.chapter, row.contender) == (chapter, contender)
            and (row.group != "forecast" if forecast is None else row.forecast == forecast)
        ]


def cases(chapters: Sequence[Chapter]) -> list[Case]:
    """Return all runs of some chapters, those that others' budgets depend on first."""
    every = [
        (c, contender, seed) for c in chapters for contender in c.contenders for seed in c.seeds
    ]
    return sorted(every, key=lambda case: case[1].grams_share is not None)


def conduct(
    chapters: Sequence[Chapter],
    *,
    jobs: int,
    cache: Path,
    on_done: Callable[[], None],
    runner: Runner | None = None,
) -> StudyResults:
    """Simulate all runs of some chapters and measure them, those that are held out last.

    Args:
        chapters: Which.
        jobs: In how many processes.
        cache: Folder of outcomes so far; those of other code are not taken for ours.
        on_done: Called when a run is over.
        runner: Simulates somewhere else than in processes of this host.

    Raises:
        FairwindError: If one cannot be simulated; the others are kept.
    """
    conducting = _Conducting(jobs, runner, cache / code_digest(), on_done)
    training = [chapter for chapter in chapters if not chapter.is_held_out]
    rows, by = conducting.carry_out(training)
    rates = chosen_rates(training, rows)
    last = [with_rates(chapter, rates) for chapter in chapters if chapter.is_held_out]
    last_rows, last_by = conducting.carry_out(last)
    return StudyResults((*training, *last), by | last_by, (*rows, *last_rows), rates)


def num_runs(chapters: Sequence[Chapter]) -> int:
    """Return how many runs some chapters have; one that is held out, at chosen rates alone."""
    is_tuned = any(c.of("equal") for c in chapters if not c.is_held_out)
    any_rate = dict.fromkeys(TUNED, RATES[0]) if is_tuned else {}
    return len(cases([with_rates(c, any_rate) if c.is_held_out else c for c in chapters]))


@dataclass(frozen=True, slots=True)
class _Conducting:
    jobs: int
    runner: Runner | None
    cache: Path
    on_done: Callable[[], None]

    def carry_out(self, chapters: Sequence[Chapter]) -> tuple[list[Row], dict[str, Yardstick]]:
        """Simulate and measure the runs of some chapters."""
        found: Found = {}
        every = cases(chapters)
        self._take([case for case in every if case[1].grams_share is None], found)
        self._take([case for case in every if case[1].grams_share is not None], found)
        by = {chapter.name: _yardstick(chapter, found) for chapter in chapters}
        rows = [
            measure(
                chapter, contender, seed,
                outcome=found[chapter.name, contender.key, seed], by=by[chapter.name],
            )
            for chapter in chapters
            for contender in chapter.contenders
            for seed in chapter.seeds
        ]  # fmt: skip
        return rows, by

    def _take(self, some: Sequence[Case], found: Found) -> None:
        outcomes = simulate_all(
            [case[0].scenario(*case[1:], _grams(case, found)) for case in some],
            jobs=self.jobs, runner=self.runner, cache=self.cache,
            on_done=lambda _place, _outcome: self.on_done(),
        )  # fmt: skip
        for (chapter, contender, seed), outcome in zip(some, outcomes, strict=True):
            found[chapter.name, contender.key, seed] = outcome


def possible(base: Scenario) -> str | None:
    """Return why a chapter with this base cannot be simulated here, `None` if it can."""
    try:
        for path in (base.signal.path, base.forecast.path):
            if path is not None:
                find_file(path)
        loaded = load_workload(base.workload.name, allowed=(base.workload.name,))
        workload = configured(loaded, base.run.options)
        workload.test_data()
    except FairwindError as error:
        return str(error)
    return None


def only(chapters: Sequence[Chapter], names: Sequence[str]) -> tuple[Chapter, ...]:
    """Return the chapters of these names, all if there are none.

    Raises:
        SettingError: If one of them does not exist.
    """
    known = {chapter.name: chapter for chapter in chapters}
    for name in names:
        if name not in known:
            msg = (
                f"The study has no chapter {name!r}, so nothing was simulated. Choose "
                f"{', '.join(known)}."
            )
            raise SettingError(msg)
    return tuple(known[name] for name in names) if names else tuple(chapters)


def _grams(case: Case, found: Found) -> float | None:
    chapter, contender, seed = case
    if contender.grams_share is None:
        return None
    return (
        contender.grams_share
        * found[chapter.name, chapter.find(chapter.reference).key, seed].gco2eq
    )


def _yardstick(chapter: Chapter, found: Found) -> Yardstick:
    free, reference = (
        [found[chapter.name, chapter.find(name).key, seed] for seed in chapter.seeds]
        for name in ("all", chapter.reference)
    )
    return yardstick(chapter.base.run.metric, free, reference)
