"""Tuning: the learning rate of each policy with our local work and round size, and of ours.

Chosen on the training chapters alone, before the year that is held out is simulated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from simulation.study.contender import Chapter
from simulation.study.field import RATES, TUNED, at_rate
from simulation.study.measures import Row


def chosen_rates(chapters: Sequence[Chapter], rows: Sequence[Row]) -> dict[str, float]:
    """Return the learning rate of each policy of `TUNED`, in multiples of the scenario's.

    That is the one with which most runs reached the target of 98 %, and of these the one that
    needed fewest grams in the geometric mean.

    Args:
        chapters: Those of the study. What is held out is not looked at.
        rows: Their runs. There is no choice for policies that the others do not have.
    """
    training = {chapter.name for chapter in chapters if not chapter.is_held_out}
    runs = {
        (name, rate): [
            row.grams_to_target
            for row in rows
            if (row.contender, row.group) == (at_rate(name, rate), "equal")
            and row.chapter in training
        ]
        for name in TUNED
        for rate in RATES
    }
    return {
        name: min((_cost(runs[name, rate]), rate) for rate in RATES)[1]
        for name in TUNED
        if all(runs[name, rate] for rate in RATES)
    }


def _cost(grams: Sequence[float | None]) -> tuple[int, float]:
    known = [math.log(value) for value in grams if value is not None]
    return len(grams) - len(known), fmean(known) if known else math.inf


def with_rates(chapter: Chapter, rates: Mapping[str, float]) -> Chapter:
    """Return a chapter whose policies with our work run at these learning rates alone."""
    kept = {at_rate(name, rate) for name, rate in rates.items()}
    return replace(
        chapter,
        contenders=tuple(c for c in chapter.contenders if c.group != "equal" or c.name in kept),
    )
