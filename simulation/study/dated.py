"""The dated study: seeds that start at dates of their own, ablations, and a year that is held out.

Seeds that share a start date share its weather, so that intervals over them contain none. Here each
seed has a date, the same for all policies: what a date costs cancels in ratios paired by seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from simulation.scenario.scenario import Scenario
from simulation.study.contender import Chapter, Contender
from simulation.study.federations import REAL, RECORDED, clients, federation
from simulation.study.field import ADDED, FIELD, SIDE, contenders

TARGET_SHARES = (0.95, 0.98, 0.99)
"""Targets, as shares of the unconstrained run's final metric."""

SPLIT = ("even turns", "place", "time", "less work", "round size")
"""What is switched on in turn, from `random` to `fairwind` with half rounds; `ablations` has how.

The ratios of neighbours multiply to the ratio of the ends.
"""

_DATES = ("02-08", "04-19", "06-28", "09-06", "11-15")
"""Ten weeks apart, and on other days of the week than each other."""

_RECORDED_DATES = ("2021-07-08", "2021-08-11", "2021-09-14", "2021-10-18", "2021-11-21")
"""The records go from July to December."""

_HELD_OUT = Path("carboncast2020-2021_actual_13zones.csv.gz")
_HELD_OUT_YEAR = 2020

_OFF = {"fairness": 1.0, "full_share": 1.0, "horizon_h": 1.0}
_OFF_UNTIL = {"place": "fairness", "time": "horizon_h", "less work": "full_share"}

_HALF = 0.5


def dated(chapters: Sequence[Chapter]) -> tuple[Chapter, ...]:
    """Return these chapters with start dates by seed, three targets, and ablations.

    Chapters without `fairwind` among their policies, and what is compared for a forecast or a
    parameter alone, are left out.
    """
    return tuple(_dated(chapter) for chapter in chapters if chapter.reference == "random")


def held_out() -> tuple[Chapter, ...]:
    """Return the chapter of 2020: no policy, option or default was chosen on its grids.

    It is for the last table. Whoever chooses anything by it has no such year any more.
    """
    base = federation(
        "held_out", {
            "start": f"{_HELD_OUT_YEAR}-06-01T00:00:00Z",
            "signal": {"kind": "recorded", "path": _HELD_OUT},
        },
        clients(REAL),
    )  # fmt: skip
    title = f"Thirteen grids of {_HELD_OUT_YEAR}, on which nothing was chosen"
    return (_dated(Chapter("held_out", title, base, contenders(SIDE), (1, 2, 3, 4, 5))),)


def ablations() -> tuple[Contender, ...]:
    """Return `fairwind` with its rules switched on one after the other, and half rounds.

    Off: each client takes part equally often (`fairness` 1), only the running hour is known
    (`horizon_h` 1), all clients do whole work (`full_share` 1). Half rounds are also given to
    `random` and `alpha_fair`, and all three of them at twice the learning rate, since fewer updates
    a version may need another.
    """
    ours, options, made = FIELD["fairwind"], dict(_OFF), []
    for step in SPLIT[:3]:
        options.pop(_OFF_UNTIL.get(step, ""), None)
        made.append(replace(ours, name=f"fairwind: {step}", options=dict(options)))
    for name in ("fairwind", "random", "alpha_fair"):
        half = replace(FIELD[name], name=f"{name}, half rounds", round_share=_HALF)
        made += [half, replace(half, name=f"{half.name}, rate x 2", rate_factor=2.0)]
    return tuple(replace(each, group="ablation", published=False) for each in made)


def chain() -> tuple[str, ...]:
    """Return the contenders of the split, from `random` on, one for each of `SPLIT` after it."""
    between = (f"fairwind: {step}" for step in SPLIT[:3])
    return ("random", *between, "fairwind", "fairwind, half rounds")


def _dated(chapter: Chapter) -> Chapter:
    return replace(
        chapter, starts=tuple(_starts(chapter.base, len(chapter.seeds))), shares=TARGET_SHARES,
        contenders=(*chapter.of("policy"), *ADDED, *ablations()),
    )  # fmt: skip


def _starts(base: Scenario, count: int) -> list[datetime]:
    """Return so many dates, spread over the year of a scenario's grids."""
    year = base.start.year
    is_half = base.signal.path == RECORDED
    dates = _RECORDED_DATES if is_half else [f"{year}-{date}" for date in _DATES]
    return [datetime.fromisoformat(f"{dates[n % len(dates)]}T00:00:00+00:00") for n in range(count)]
