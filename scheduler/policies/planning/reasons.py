"""Why the planning policy chose as it did: codes and numbers."""

from __future__ import annotations

from scheduler.policies.candidate_table import CandidateTable, Floats
from scheduler.policies.planning.hour_values import HourValues
from scheduler.policies.planning.hourly_emissions import HourlyEmissions
from scheduler.policies.planning.pace import Pace
from scheduler.policies.planning.reservation_prices import ReservationPrices
from scheduler.policies.reason import Because
from scheduler.policies.selection_result import NoteColumns


def why_wait(values: HourValues, pace: Pace) -> Because:
    """Return why a round waits: enough better hours are still to come."""
    return {"code": "better_hours_ahead"} | _hours(values, pace)


def why_now(values: HourValues | None, pace: Pace, *, overdue: int, code: str) -> Because:
    """Return why a round is held now.

    Args:
        values: Of the hours ahead; `None` if the round could not wait for them.
        pace: Of the run.
        overdue: How many of the invited clients have waited for too long.
        code: Why it could not wait.
    """
    hours = {} if values is None else _hours(values, pace)
    if overdue:
        return {"code": "overdue"} | hours | {"overdue": float(overdue)}
    return {"code": code if values is None else "among_best_hours"} | hours


def _hours(values: HourValues, pace: Pace) -> dict[str, float | str | None]:
    """Return how the running hour ranks among those ahead."""
    hours: dict[str, float | str | None] = {
        "hours_ahead": float(len(values.worth)),
        "better_hours": float(values.better_hours()),
        "hours_needed": pace.hours_needed,
        "best_in_h": float(values.best_hour()),
        "saves_gco2eq": values.saves_gco2eq,
    }
    if values.idle_gco2eq:
        hours["idle_gco2eq"] = values.idle_gco2eq
    return hours


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
