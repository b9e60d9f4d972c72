"""The running divisor: weights that do not cancel in a round of clients that are alike. Pure.

Rarely chosen clients weigh more, by one over their share (Horvitz and Thompson, "A Generalization
of Sampling Without Replacement From a Finite Universe", JASA 1952). Divided by their own round's
total, these weights do nothing in a round of clients of one share, say of solar sites at noon: each
kind of clients then counts by its rounds, not by its data. So the sum is divided by the mean total
of a day's rounds: a round of rare clients moves the model further.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile

from scheduler.federation.closed_rounds import ClosedRounds

FURTHEST = 4
"""A round moves the model at most this many times as far as a mean would, and at least one over."""

_DAY = timedelta(days=1)

_MOST_ROUNDS = 256
"""Rounds of a minute each are looked at for some hours: more would have to be read from disk."""


def totals_of_day(closed: ClosedRounds, planned_at: datetime) -> list[int]:
    """Return what the weights of each round of the day before sum to, newest first.

    With the round itself they are a whole day of rounds.

    Rounds that were divided by their own total, as all their clients count alike, are left out.

    Args:
        closed: The run's closed rounds.
        planned_at: When the round itself was planned, on the grid clock.
    """
    last = (closed[place] for place in range(-1, -1 - min(len(closed), _MOST_ROUNDS), -1))
    recent = takewhile(lambda each: each.started > planned_at - _DAY, last)
    return [each.total for each in recent if each.total is not None]


def running_divisor(total: int, before: Sequence[int]) -> int:
    """Return the mean of a round's total and those before it, within `FURTHEST` of its own.

    Args:
        total: What the round's weights sum to, positive.
        before: Those of earlier rounds.

    >>> running_divisor(10, [20, 30])
    20
    >>> running_divisor(10, [1000])
    40
    """
    mean = round((total + sum(before)) / (1 + len(before)))
    return min(max(mean, -(-total // FURTHEST)), FURTHEST * total)
