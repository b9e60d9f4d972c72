"""Plan over the forecast: who trains, in which hours, with how much local work and what weight.

A run wants the model that so many grams, or so many hours, can buy. Four choices, each with one
rule:

1. *How often* a client takes part. To estimate a mean over strata at least cost, strata are sampled
   in proportion to W_h S_h / sqrt(C_h) (W. G. Cochran, "Sampling Techniques", 3rd edition, 1977,
   section 5.5), W the share, S the spread, C the cost of one unit. For clients and gradients:
   Luo, Xiao, Wang, Huang and Tassiulas, "Tackling System and Statistical Heterogeneity for
   Federated Learning with Adaptive Client Sampling", INFOCOM 2022. Here C is what training on one
   example emits in the mean of the hours ahead, and S the root mean squared loss on the client's
   data (Oort's utility for an example), which counts at most twice and at least half as much as
   the middle one: a site with noisy labels always has a high loss. The shares are mixed with even
   ones until Jain's index of participation is `fairness` (`planning.quotas`).
2. *When* it does. Each client's due updates are planned into its cleanest hours, and a round with
   time to spare waits for an hour in which the clients that gain most gain more
   (`planning.reservation_prices`). Each call plans anew, so that an error of the forecast costs one
   hour, not the plan. Clients that have waited for `patience_h`, and twice as long as even
   participation takes, come first. With `relative` clients are ranked by what they gain as a share
   of what they usually emit: grams alone favour sites whose updates take much energy, and sites on
   grids that vary much.
3. *How much* it does. Clients that usually emit more per example than the cleanest `full_share` of
   the clients do fewer epochs in proportion (`planning.local_work`): whole ones, or with
   `unrounded` any part, `floor` of an epoch at least. Under a gram budget all clients do, and then
   fewer clients train, until the round costs its part of what is left.
4. *How much it counts*. An update weighs its examples over the client's share (Horvitz and
   Thompson, "A Generalization of Sampling Without Replacement From a Finite Universe", JASA 1952),
   so that data seen seldom is not forgotten. The last `closing` rounds, a tenth of all at most,
   invite all clients, if the budget covers it.

A run without a last hour never waits: the gates in front of the policy do. It then looks no
further ahead than its rounds take.

In an asynchronous run there is no cohort that must share an hour: each client trains now if this is
one of the hours that its own due updates are planned into.
"""

from __future__ import annotations

import math

import numpy as np

from scheduler.carbon.signal import HOUR, slot_start
from scheduler.policies.candidate_table import Bools, CandidateTable, Floats, Ints
from scheduler.policies.planning.hourly_emissions import HourlyEmissions, hourly_emissions
from scheduler.policies.planning.local_work import LocalWork, local_work
from scheduler.policies.planning.pace import Pace, due_updates, end_h, pace_of
from scheduler.policies.planning.quotas import quotas, undoing_weights
from scheduler.policies.planning.reasons import price_notes, why_now, why_wait
from scheduler.policies.planning.reservation_prices import ReservationPrices, reservation_prices
from scheduler.policies.reason import Because
from scheduler.policies.selection_context import SelectionContext
from scheduler.policies.selection_result import SelectionResult

_SPREAD = 2.0
"""A client's loss counts at most this many times the median, and at least one over it."""

_CLOSING_SHARE = 0.1
"""Closing rounds are at most this share of all rounds."""

_CLOSING_GRAMS = 0.25
"""Closing rounds cost at most this share of the gram budget, or there are none."""

_PATIENT_TURNS = 2.0

_DIGITS = 9
"""Figures that agree to so many digits are equal, in whichever order they were summed."""


def select(context: SelectionContext) -> SelectionResult:
    """Return the cohort of the current hour, empty if a better hour is worth the wait.

    Options: `fairness`, `full_share`, `unrounded`, `floor`, `relative`, `closing`, `patience_h`,
    `horizon_h`; see the module.
    """
    pool = CandidateTable.of(context.candidates)
    if not len(pool) or context.wanted < 1:
        return SelectionResult(())
    options = context.options
    emissions = hourly_emissions(pool, horizon_h=options["horizon_h"], end_h=end_h(context))
    work = local_work(
        emissions, pool.duration_s,
        epochs=context.epochs, full_share=options["full_share"],
        part=options["floor"] if options["unrounded"] else None,
    )  # fmt: skip
    if context.buffer is not None:
        return _each_alone(context, pool, emissions, work, buffer=context.buffer)
    return _closing(context, pool, emissions, work) or _ordinary(context, pool, emissions, work)


def _each_alone(
    context: SelectionContext,
    pool: CandidateTable,
    emissions: HourlyEmissions,
    work: LocalWork,
    *,
    buffer: int,
) -> SelectionResult:
    """Return the clients of an asynchronous run for which the current hour is a good one."""
    shares = participation(pool, emissions, fairness=context.options["fairness"])
    left_gco2eq = _left_gco2eq(context, emissions, work)
    pace = _pace(context, emissions, work, shares, places=buffer, left_gco2eq=left_gco2eq)
    # Those that train now are no candidates, and have their part of the updates to come.
    part = len(pool) / max(context.num_clients, len(pool))
    ours = shares * part
    due = due_updates(context, pool, ours, places=buffer, pace=pace)
    an_hour = max(1.0, pace.rounds_an_hour * buffer / max(context.num_clients, 1))
    prices = reservation_prices(emissions, due, places=1, updates_an_hour=an_hour)
    waited = _overdue(context, pool, places=buffer * part, pace=pace)
    good = (prices.gain_gco2eq >= 0) & _rested(context, pool, an_hour) | (waited > 0)
    if not pace.has_slack:
        good[:] = True
    if not good.any():
        return SelectionResult((), because=why_wait(prices, pace))
    gains = _gains(context, prices, emissions)
    ranked = _best(context, pool, gains, waited, places=len(pool))
    chosen = np.sort(ranked[good[ranked]][: context.wanted])
    budget = _round_gco2eq(pace.rounds_left, left_gco2eq) * max(1.0, len(chosen) / buffer)
    counts = work.within(chosen, budget)
    grams = work.gco2eq(counts)
    return SelectionResult(
        [pool.clients[n] for n in chosen],
        epochs=_fewer(context, pool, chosen, counts),
        weights=_named(context, pool, chosen, undoing_weights(shares)),
        because=_because(context, prices, pace, waited[chosen]),
        notes=price_notes(pool, emissions, prices, shares=shares, due=due, grams=grams),
    )


def _ordinary(
    context: SelectionContext, pool: CandidateTable, emissions: HourlyEmissions, work: LocalWork
) -> SelectionResult:
    shares = participation(pool, emissions, fairness=context.options["fairness"])
    places = _places(context, shares)
    left_gco2eq = _left_gco2eq(context, emissions, work)
    pace = _pace(context, emissions, work, shares, places=places, left_gco2eq=left_gco2eq)
    due = due_updates(context, pool, shares, places=places, pace=pace)
    prices = reservation_prices(emissions, due, places=places, updates_an_hour=pace.updates_an_hour)
    waited = _overdue(context, pool, places=places, pace=pace)
    if _waits(prices, pace, waited):
        return SelectionResult((), because=why_wait(prices, pace))
    gains = _gains(context, prices, emissions)
    chosen = _best(context, pool, gains, waited, places=places)
    budget = _round_gco2eq(pace.rounds_left, left_gco2eq)
    counts = work.within(chosen, budget)
    grams = work.gco2eq(counts)
    chosen = _affordable(context, chosen, grams, budget)
    return SelectionResult(
        [pool.clients[n] for n in chosen],
        epochs=_fewer(context, pool, chosen, counts),
        weights=_named(context, pool, chosen, undoing_weights(shares)),
        because=_because(context, prices, pace, waited[chosen]),
        notes=price_notes(pool, emissions, prices, shares=shares, due=due, grams=grams),
    )


def _because(
    context: SelectionContext, prices: ReservationPrices, pace: Pace, waited: Floats
) -> Because:
    """Return why clients train now, of which some waited for too long: `waited` is theirs."""
    ends = context.hours_left is not None
    return why_now(prices, pace, overdue=int((waited > 0).sum()), ends=ends)


def _pace(
    context: SelectionContext,
    emissions: HourlyEmissions,
    work: LocalWork,
    shares: Floats,
    *,
    places: int,
    left_gco2eq: float | None,
) -> Pace:
    """Return how a run stands in time, with rounds of so many places and what is left to emit."""
    least = places * float(shares @ emissions.usual_gco2eq) * work.least / context.epochs
    affordable = None if left_gco2eq is None or least <= 0 else max(1.0, left_gco2eq / least)
    return pace_of(context, hours=emissions.hours, affordable=affordable)


def _rested(context: SelectionContext, pool: CandidateTable, an_hour: float) -> Bools:
    """Return which candidates have not just given what one hour is to hold of theirs; `(N,)`."""
    since_hour_h = (context.now - slot_start(context.now)) / HOUR
    enough_h = min(1.0 / an_hour, since_hour_h)
    rested: Bools = (pool.waited_h >= enough_h) | (pool.updates == 0)
    return rested


def _waits(prices: ReservationPrices, pace: Pace, waited: Floats) -> bool:
    better = prices.better_hours()
    return pace.has_slack and better >= pace.hours_needed and not waited.any()


def _places(context: SelectionContext, shares: Floats) -> int:
    """Return the size of the cohort, so that no share means more than one update a round."""
    alike = round(round(1 / float(shares.max()), _DIGITS))
    return min(len(shares), context.wanted, max(context.quorum, alike, 1))


def participation(pool: CandidateTable, emissions: HourlyEmissions, *, fairness: float) -> Floats:
    """Return each candidate's share of all participations; they sum to 1, shape `(N,)`.

    W_h is the same for all, since examples are weighed when updates are added up.
    """
    spread = pool.utility / emissions.examples
    middle = np.nanmedian(spread) if not np.isnan(spread).all() else 1.0
    spread = np.where(np.isnan(spread), middle, spread) / (middle or 1.0)
    cost = emissions.usual_gco2eq / emissions.examples
    cost = np.maximum(cost, cost.max() * 1e-6) if cost.max() > 0 else np.ones(len(pool))
    return quotas(np.clip(spread, 1 / _SPREAD, _SPREAD) / np.sqrt(cost), fairness)


def _closing(
    context: SelectionContext, pool: CandidateTable, emissions: HourlyEmissions, work: LocalWork
) -> SelectionResult | None:
    """Return a round of all clients, or a wait for its best hour, if due and affordable."""
    left = context.rounds_left
    if left is None or not 1 <= left <= _closing_rounds(context):
        return None
    everybody = np.arange(len(pool))
    budget = _round_gco2eq(left, _left_gco2eq(context, emissions, work))
    counts = work.within(everybody, budget)
    if work.gco2eq(counts).sum() > budget:
        return None
    pace = pace_of(context, hours=emissions.hours, affordable=None)
    prices = reservation_prices(emissions, np.ones(len(pool)), places=len(pool))
    waited = _overdue(context, pool, places=len(pool), pace=pace)
    if _waits(prices, pace, waited):
        return SelectionResult((), because=why_wait(prices, pace))
    return SelectionResult(
        pool.clients,
        epochs=_fewer(context, pool, everybody, counts),
        target=len(pool),
        because={"code": "closing", "rounds_left": float(left)},
    )


def _closing_rounds(context: SelectionContext) -> int:
    """Return how many rounds at the end invite all clients; 0 without a number of rounds."""
    if context.rounds_left is None:
        return 0
    rounds = context.number - 1 + context.rounds_left
    return int(min(context.options["closing"], rounds * _CLOSING_SHARE))


def _left_gco2eq(
    context: SelectionContext, emissions: HourlyEmissions, work: LocalWork
) -> float | None:
    """Return the rest of the budget, less the least emissions of the closing rounds to come.

    Closing rounds get nothing where they would take too much of it.
    """
    if context.grams is None:
        return None
    rounds = _closing_rounds(context)
    if (context.rounds_left or 0) <= rounds:
        rounds = 0
    kept = rounds * float(emissions.usual_gco2eq.sum()) * work.least / context.epochs
    kept = kept if kept <= _CLOSING_GRAMS * context.grams else 0.0
    return max(0.0, context.grams - context.spent_gco2eq - kept)


def _round_gco2eq(rounds_left: float | None, left_gco2eq: float | None) -> float:
    return math.inf if left_gco2eq is None else left_gco2eq / max(1.0, rounds_left or 1.0)


def _overdue(
    context: SelectionContext, pool: CandidateTable, *, places: float, pace: Pace
) -> Floats:
    """Return the hours that each overdue client has waited, 0 for the others."""
    if not context.past:
        return np.zeros(len(pool))
    since_start = (context.now - context.past[0].planned_at).total_seconds() / 3600
    waited = np.minimum(pool.waited_h, since_start)
    turn = len(pool) * pace.hours_ahead / max(places * pace.rounds_ahead, 1.0)
    patience = max(context.options["patience_h"], _PATIENT_TURNS * turn)
    return np.where(waited >= patience, waited, 0.0)


def _gains(
    context: SelectionContext, prices: ReservationPrices, emissions: HourlyEmissions
) -> Floats:
    """Return by what candidates are ranked: grams, or shares of what they usually emit; `(N,)`."""
    gains, usual = prices.gain_gco2eq, emissions.usual_gco2eq
    if not context.options["relative"]:
        return gains
    relative: Floats = np.zeros_like(gains)
    np.divide(gains, usual, out=relative, where=usual > 0)
    return relative.round(_DIGITS)


def _best(
    context: SelectionContext, pool: CandidateTable, gains: Floats, waited: Floats, *, places: int
) -> Ints:
    """Return the places of overdue clients, then of those that gain most; ties by chance."""
    order = np.lexsort((-gains, -waited))
    first, last = order[:places], order[places - 1]
    tied = (gains == gains[last]) & (waited == waited[last])
    by_id = sorted(np.flatnonzero(tied).tolist(), key=pool.clients.__getitem__)
    sure = first[~tied[first]].tolist()
    sure.sort(key=lambda n: (-waited[n], -gains[n], pool.clients[n]))
    return np.array(sure + context.rng.sample(by_id, places - len(sure)), dtype=np.int64)


def _affordable(context: SelectionContext, chosen: Ints, grams: Floats, budget: float) -> Ints:
    """Return the first of the chosen that the budget covers, the quorum at least."""
    within = int((np.cumsum(grams[chosen]) <= budget).sum())
    return np.sort(chosen[: max(context.quorum, within)])


def _fewer(
    context: SelectionContext, pool: CandidateTable, chosen: Ints, counts: Floats
) -> dict[str, float]:
    asked = counts[chosen]
    fewer = asked < context.epochs
    names = [pool.clients[n] for n in chosen[fewer].tolist()]
    return dict(zip(names, asked[fewer].tolist(), strict=True))


def _named(
    context: SelectionContext, pool: CandidateTable, chosen: Ints, weights: Floats
) -> dict[str, float]:
    mine = np.round(weights[chosen], _DIGITS)
    if np.ptp(mine) == 0 and not context.one_scale:
        return {}
    return dict(zip([pool.clients[n] for n in chosen.tolist()], mine.tolist(), strict=True))
