"""Why the planning policy chose as it did: codes and numbers."""

from __future__ import annotations

from scheduler.policies.candidate_table import CandidateTable, Floats
from scheduler.policies.planning.hourly_emissions import HourlyEmissions
from scheduler.policies.planning.pace import Pace
from scheduler.policies.planning.reservation_prices import ReservationPrices
from scheduler.policies.reason import Because
from scheduler.policies.selection_result import NoteColumns


def why_wait(prices: ReservationPrices, pace: Pace) -> Because:
    """Return why a round waits: enough better hours are still to come."""
    return {"code": "better_hours_ahead"} | _hours(prices, pace)


def why_now(prices: ReservationPrices, pace: Pace, *, overdue: int, ends: bool) -> Because:
    """Return why a round is held now; `ends` says whether the run has a last hour."""
    code = "no_slack" if ends else "no_deadline"
    if pace.has_slack:
        code = "among_best_hours"
    if overdue:
        code = "overdue"
    return {"code": code} | _hours(prices, pace) | {"overdue": float(overdue)}


def _hours(prices: ReservationPrices, pace: Pace) -> dict[str, float | str | None]:
    """Return how the running hour ranks among those ahead.

    The cohort of the best hour emits at least `saves_gco2eq` less then than now, with all the run's
    epochs.
    """
    worth, best = prices.hours_gco2eq, prices.best_hour()
    return {
        "hours_ahead": float(len(worth)),
        "better_hours": float(prices.better_hours()),
        "hours_needed": pace.hours_needed,
        "best_in_h": float(best),
        "saves_gco2eq": float(worth[best] - worth[0]),
    }


def price_notes(
    pool: CandidateTable,
    emissions: HourlyEmissions,
    prices: ReservationPrices,
    *,
    shares: Floats,
    due: Floats,
    grams: Floats,
) -> NoteColumns:
    """Return by candidate what an update emits now, and its reservation price.

    Args:
        pool: The candidates.
        emissions: Their emissions.
        prices: Their prices.
        shares: Of participation; `(N,)`.
        due: Updates due of each; `(N,)`.
        grams: Of the update planned, or that would have been planned, for each; `(N,)`.
    """
    figures = {
        "price_gco2eq": prices.price_gco2eq, "now_gco2eq": emissions.gco2eq(0),
        "planned_gco2eq": grams, "due_updates": due, "share": shares,
    }  # fmt: skip
    return NoteColumns("price", pool.clients, figures)
