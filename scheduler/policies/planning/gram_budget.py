"""The gram budget: what a round may emit of what is left, and what closing rounds keep of it."""

from __future__ import annotations

import math

from scheduler.policies.planning.hourly_emissions import HourlyEmissions
from scheduler.policies.planning.local_work import LocalWork
from scheduler.policies.selection_context import SelectionContext

_CLOSING_SHARE = 0.1
"""Closing rounds are at most this share of all rounds."""

_CLOSING_GRAMS = 0.25
"""Closing rounds cost at most this share of the gram budget, or there are none."""


def closing_rounds(context: SelectionContext) -> int:
    """Return how many rounds at the end invite all clients; 0 without a number of rounds."""
    if context.rounds_left is None:
        return 0
    rounds = context.number - 1 + context.rounds_left
    return int(min(context.options["closing"], rounds * _CLOSING_SHARE))


def left_gco2eq(
    context: SelectionContext, emissions: HourlyEmissions, work: LocalWork
) -> float | None:
    """Return the rest of the budget, less the least emissions of the closing rounds to come.

    Closing rounds get nothing where they would take too much of it.
    """
    if context.grams is None:
        return None
    rounds = closing_rounds(context)
    if (context.rounds_left or 0) <= rounds:
        rounds = 0
    kept = rounds * float(emissions.usual_gco2eq.sum()) * work.least / context.epochs
    kept = kept if kept <= _CLOSING_GRAMS * context.grams else 0.0
    return max(0.0, context.grams - context.spent_gco2eq - kept)


def round_gco2eq(rounds_left: float | None, left_gco2eq: float | None) -> float:
    """Return what a round may emit: its part of what is left; infinite without a budget."""
    return math.inf if left_gco2eq is None else left_gco2eq / max(1.0, rounds_left or 1.0)
