"""A timetable: the hours that hold rounds and the kinds of clients that train, for least emissions.

A transportation problem with a fixed set of places an hour. With g a kind of clients that are
alike, t an hour, y_t the rounds held in it, x_{g,t} the participations and c_{g,t} the grams of
one,

    min  sum_{g,t} c_{g,t} x_{g,t}  + penalties
    s.t. sum_g x_{g,t} = places_t y_t                     for every t
         low_g - under_g <= sum_t x_{g,t} <= high_g + over_g   for every g
         sum_t y_t + missing = rounds
         sum_{g,t} c_{g,t} x_{g,t} <= budget
         0 <= x_{g,t} <= size_g rounds_an_hour_t,  y_t whole, 0 <= y_t <= rounds_an_hour_t

A participation outside its bounds costs more than the choice of any hour could save, and a missing
round more than all that, so there is always an answer, and it breaks a bound only where it must.
Once y is fixed, what remains is a network, whose best corner is whole; only y is searched for.
Where that would take long, the program is solved with y relaxed to fractions, the hours with the
most of y are kept, and it is solved again with them. The first solution is a bound: the gap is how
much more the second emits, a few per cent at most in our trials.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from scheduler.policies.candidate_table import Floats
from scheduler.policies.planning.milp import Rows, minimise

_GAP = 1e-3
"""Relative gap at which a search for whole y ends."""

_SEARCHED = 1_000
"""Kinds times hours up to which y is searched for."""


@dataclass(frozen=True, slots=True)
class Task:
    """The problem of a timetable; G kinds of clients, T hours.

    Attributes:
        cost_gco2eq: Of one participation, by kind and hour, NaN where it is not known; `(G, T)`.
        size: Clients of each kind; `(G,)`.
        low, high: Participations of each kind in all, at least and at most; `(G,)`.
        places: Of a round in each hour, 0 where none can be held; `(T,)`.
        rounds_an_hour: At most, by hour; `(T,)`.
        rounds: How many rounds are to be held.
        budget_gco2eq: For all of them; infinite without one.
    """

    cost_gco2eq: tuple[tuple[float, ...], ...]
    size: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    places: tuple[int, ...]
    rounds_an_hour: tuple[int, ...]
    rounds: int
    budget_gco2eq: float


@dataclass(frozen=True, slots=True)
class RoundTimetable:
    """When rounds are held, and with which clients.

    Attributes:
        rounds: By hour; `(T,)`.
        trained: Participations by kind and hour; `(G, T)`.
        gco2eq: Of all of them.
        gap: The share by which that may be more than the least.
    """

    rounds: Floats
    trained: Floats
    gco2eq: float
    gap: float


@lru_cache(maxsize=64)
def timetable(task: Task) -> RoundTimetable | None:
    """Return the timetable of least emissions, `None` if the search found none in its time."""
    if len(task.size) * len(task.places) <= _SEARCHED:
        return _solve(task, whole=True)
    relaxed = _solve(task, whole=False)
    rounded = relaxed and _solve(_rounded(task, relaxed.rounds), whole=False)
    if relaxed is None or rounded is None:
        return None
    return replace(rounded, gap=max(0.0, rounded.gco2eq / (relaxed.gco2eq or 1.0) - 1.0))


def _rounded(task: Task, rounds: Floats) -> Task:
    """Return the task with whole rounds in the hours that had the most of them."""
    kept = np.floor(rounds + 1e-6)
    left = int(rounds.sum() + 1e-6) - int(kept.sum())
    kept[np.argsort(kept - rounds, kind="stable")[:left]] += 1.0
    an_hour = tuple(kept.astype(int).tolist())
    return replace(task, rounds_an_hour=an_hour, rounds=sum(an_hour), budget_gco2eq=np.inf)


def _solve(task: Task, *, whole: bool) -> RoundTimetable | None:
    cost = np.array(task.cost_gco2eq, np.float64)
    kinds, hours = cost.shape
    known = ~np.isnan(cost)
    grams = np.where(known, cost, 0.0)
    each = np.arange(kinds * hours)
    y, under = each.size + np.arange(hours), each.size + hours + np.arange(kinds)
    over, missing = under + kinds, each.size + hours + 2 * kinds
    kind, hour = each // hours, each % hours
    an_hour, size = np.array(task.rounds_an_hour), np.array(task.size)

    rows = Rows()
    rows.add(
        (np.append(hour, np.arange(hours)), np.append(each, y),
         np.append(np.ones(each.size), -np.array(task.places, np.float64))),
        low=0.0, high=0.0, num_rows=hours,
    )  # fmt: skip
    for slack, sign, low, high in (
        (under, 1.0, np.array(task.low), np.inf), (over, -1.0, -np.inf, np.array(task.high)),
    ):  # fmt: skip
        weights = np.append(np.ones(each.size), np.full(kinds, sign))
        at = np.append(kind, np.arange(kinds)), np.append(each, slack)
        rows.add((*at, weights), low=low, high=high, num_rows=kinds)
    rounds = float(task.rounds)
    rows.add((np.zeros(hours + 1, np.int64), np.append(y, missing), 1.0), low=rounds, high=rounds)
    if np.isfinite(task.budget_gco2eq):
        rows.add((np.zeros_like(each), each, grams.ravel()), high=task.budget_gco2eq)

    penalty = 2.0 * float(grams.max(initial=0.0)) or 1.0
    costs = np.concatenate([
        grams.ravel(), np.zeros(hours), np.full(2 * kinds, penalty),
        [2.0 * penalty * max(task.places, default=1)],
    ])  # fmt: skip
    most = np.concatenate([
        np.where(known, size[:, None] * an_hour, 0).ravel(), np.where(task.places, an_hour, 0),
        np.full(2 * kinds + 1, np.inf),
    ])  # fmt: skip
    integral = np.zeros(costs.size, bool)
    integral[y] = whole
    found = minimise(costs, rows, most=most.astype(np.float64), integral=integral, gap=_GAP)
    if found is None:
        return None
    trained = found[: each.size].reshape(kinds, hours)
    return RoundTimetable(found[y], trained, float((grams * trained).sum()), _GAP)
