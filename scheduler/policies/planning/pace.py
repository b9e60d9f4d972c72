"""Pace: how many rounds are left, how many of them fall into the hours ahead, and who is due."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from statistics import median

import numpy as np

from scheduler.policies.candidate_table import CandidateTable, Floats
from scheduler.policies.past_rounds import num_updates
from scheduler.policies.selection_context import SelectionContext

_RECENT = 10
"""The length of a round is the median of so many past ones."""

_CATCH_UP = 2.0
"""A client that fell behind, or joined late, trains at most this many times its share."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a run stands in time.

    Attributes:
        rounds_left: Still to come, this one included; `None` without such an end.
        rounds_an_hour: At most.
        rounds_ahead: Of those, how many fall into the planned hours.
        hours_ahead: Hours over which these may be spread.
        hours_needed: Hours these take if they are held one after the other.
        has_slack: Whether the run may wait, and all rounds still fit if the next one begins an hour
            later.
    """

    rounds_left: float | None
    rounds_an_hour: float
    rounds_ahead: float
    hours_ahead: float
    hours_needed: float
    has_slack: bool

    @property
    def updates_an_hour(self) -> float:
        """How many updates one client can give in an hour; one where a round takes longer."""
        return max(1.0, self.rounds_an_hour)


def end_h(context: SelectionContext, *, waits: bool) -> float | None:
    """Return the hours until a run ends, `None` if never.

    A run that does not wait ends as soon as its rounds are done.
    """
    if context.rounds_left is None or (waits and context.hours_left is not None):
        return context.hours_left
    return _least(context.hours_left, context.rounds_left / _rounds_an_hour(context))


_OF_ALL_HOURS = 2.0
"""A client of an asynchronous run may leave out every second hour."""


def pace_of(
    context: SelectionContext, *, hours: int, affordable: float | None, waits: bool
) -> Pace:
    """Return how a run stands in time.

    Args:
        context: Its rounds and hours left, and its past.
        hours: How many are planned.
        affordable: Rounds that its gram budget pays for; `None` without one.
        waits: Whether rounds may be spread over the hours left; else they follow each other.
    """
    fastest = _rounds_an_hour(context)
    wanted = _least(context.rounds_left, affordable)
    possible = None
    if context.hours_left is not None:
        possible = fastest * max(context.hours_left, 1 / fastest)
    left = _least(wanted, possible)
    if not waits or possible is None or left is None:
        ahead = fastest * hours if left is None else min(left, fastest * hours)
        needed = ahead / fastest
        return Pace(left, fastest, ahead, needed, needed, has_slack=False)
    hours_left = possible / fastest
    ahead = min(left, max(1.0, left * hours / hours_left), max(1.0, fastest * hours))
    has_slack = left + max(1.0, fastest) <= possible
    return Pace(left, fastest, ahead, hours, ahead / fastest, has_slack)


def due_updates(
    context: SelectionContext, pool: CandidateTable, shares: Floats, *, places: float, pace: Pace
) -> Floats:
    """Return how many updates each candidate should contribute within the hours ahead; `(N,)`.

    That is its share of all updates of the candidates, those of the hours ahead included, less
    those that it has contributed. Updates of clients that are no candidates now do not count: where
    half of the clients are away, every candidate would be far behind, and none more than others.

    Args:
        context: With the closed rounds.
        pool: The candidates.
        shares: Of participation, they sum to 1; `(N,)`.
        places: Of a round, those of the candidates.
        pace: With the rounds ahead.
    """
    given = num_updates(context.past)
    counts = np.fromiter(map(given.get, pool.clients, repeat(0)), np.float64, len(pool))
    ahead = places * pace.rounds_ahead
    due: Floats = np.minimum(
        shares * (counts.sum() + ahead) - counts, _CATCH_UP * shares * ahead + 1.0
    )
    return due


def _least(*figures: float | None) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return min(known) if known else None


def _rounds_an_hour(context: SelectionContext) -> float:
    took = [closed.hours for closed in context.past[-_RECENT:] if closed.hours > 0]
    shortest = max(median(took) if took else 0.0, context.interval_h)
    fastest = 1.0 / shortest if shortest > 0 else 1.0
    if context.buffer is None or not context.hours_left:
        return fastest
    # A buffer is filled by clients whose good hours differ: if each gives one update in each of
    # its own, or as many as half of all hours take.
    updates_left = (context.rounds_left or 0) * context.buffer
    each = max(1.0, _OF_ALL_HOURS * updates_left / (context.num_clients * context.hours_left))
    return min(fastest, each * context.num_clients / context.buffer)
