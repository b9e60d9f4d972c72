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
2. *When* it does. Each client's due updates are planned into its cleanest hours
   (`planning.reservation_prices`), and a round takes the clients that gain most by training now.
   They are ranked by what they gain as a share of what they usually emit: grams alone, which rank
   without `relative`, favour sites whose updates take much energy, and sites on grids that vary
   much. No client waits longer than `patience_h`, or twice as long as even participation takes if
   that is more: clients that else would come first (`planning.patience`). Each call plans anew, so
   that an error of the forecast costs one hour, not the plan.
   With `wait` a round with time to spare waits for an hour in which the clients that gain most
   gain more, by more than the candidates' reserved machines emit until then (`planning.idle`).
3. *How much* it does. Clients that usually emit more per example than the cleanest `full_share` of
   the clients do fewer epochs in proportion (`planning.local_work`): any part of one, `floor` of
   an epoch at least, or without `parts` whole ones. Under a gram budget all clients do, and then
   fewer clients train, until the round costs its part of what is left.
4. *How much it counts*. An update weighs its examples over the client's share (Horvitz and
   Thompson, "A Generalization of Sampling Without Replacement From a Finite Universe", JASA 1952),
   so that data seen seldom is not forgotten. The last `closing` rounds, a tenth of all at most,
   invite all clients, if the budget covers it.

Without `wait`, and in a run without a last hour, a round with candidates is never held back here:
only the gates in front of the policy wait. It then looks no further ahead than the rounds that are
left take.

In an asynchronous run there is no cohort that must share an hour: with `wait` each client trains
now if this is one of the hours that its own due updates are planned into, or if its reserved
machine would emit more while it waits than a later hour saves.
"""

from __future__ import annotations

import numpy as np

from scheduler.carbon.signal import HOUR, slot_start
from scheduler.policies.candidate_table import Bools, CandidateTable, Floats, Ints
from scheduler.policies.planning.gram_budget import closing_rounds, left_gco2eq, round_gco2eq
from scheduler.policies.planning.hour_values import HourValues, hour_values
from scheduler.policies.planning.hourly_emissions import HourlyEmissions, hourly_emissions
from scheduler.policies.planning.idle import idle_until, waits_in_vain
from scheduler.policies.planning.local_work import LocalWork, local_work
from scheduler.policies.planning.pace import Pace, due_updates, end_h, pace_of
from scheduler.policies.planning.participation import participation
from scheduler.policies.planning.patience import overdue_h
from scheduler.policies.planning.quotas import undoing_weights
from scheduler.policies.planning.ranking import best
from scheduler.policies.planning.reasons import price_notes, why_now, why_wait
from scheduler.policies.planning.reservation_prices import ReservationPrices, reservation_prices
from scheduler.policies.reason import Because
from scheduler.policies.selection_context import SelectionContext
from scheduler.policies.selection_result import SelectionResult

_DIGITS = 9
"""Figures that agree to so many digits are equal, in whichever order they were summed."""


def select(context: SelectionContext) -> SelectionResult:
    """Return the cohort of the current hour; with `wait`, none if a better hour is to come.

    Options: `fairness`, `wait`, `full_share`, `parts`, `floor`, `relative`, `closing`,
    `patience_h`, `horizon_h`; see the module.
    """
    pool = CandidateTable.of(context.candidates)
    if not len(pool) or context.wanted < 1:
        return SelectionResult(())
    options = context.options
    ends_h = end_h(context, waits=_may_wait(context))
    emissions = hourly_emissions(pool, horizon_h=options["horizon_h"], end_h=ends_h)
    work = local_work(
        emissions, pool.duration_s,
        epochs=context.epochs, full_share=options["full_share"],
        part=options["floor"] if options["parts"] else None,
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
    left = left_gco2eq(context, emissions, work)
    pace = _pace(context, emissions, work, shares, places=buffer, left=left)
    # Those that train now are no candidates, and have their part of the updates to come.
    part = len(pool) / max(context.num_clients, len(pool))
    due = due_updates(context, pool, shares, places=buffer * part, pace=pace)
    an_hour = max(1.0, pace.rounds_an_hour * buffer / max(context.num_clients, 1))
    prices = reservation_prices(
        emissions, due, updates_an_hour=an_hour, relative=bool(context.options["relative"])
    )
    waited = overdue_h(context, pool, places=buffer * part, pace=pace)
    values = _values(pool, emissions, prices, pace, places=1)
    gains = (prices.gain >= 0) | waits_in_vain(pool, emissions)
    good = gains & _rested(context, pool, an_hour) | (waited > 0)
    if values is None:
        good[:] = True
    elif not good.any():
        return SelectionResult((), because=why_wait(values, pace))
    ranked = best(context, pool, prices.gain, waited, places=len(pool))
    chosen = np.sort(ranked[good[ranked]][: context.wanted])
    budget = round_gco2eq(pace.rounds_left, left) * max(1.0, len(chosen) / buffer)
    counts = work.within(chosen, budget)
    grams = work.gco2eq(counts)
    return SelectionResult(
        [pool.clients[n] for n in chosen],
        epochs=_fewer(context, pool, chosen, counts),
        weights=_named(context, pool, chosen, undoing_weights(shares)),
        because=_because(context, values, pace, waited[chosen]),
        notes=price_notes(pool, emissions, prices, shares=shares, due=due, grams=grams),
    )


def _ordinary(
    context: SelectionContext, pool: CandidateTable, emissions: HourlyEmissions, work: LocalWork
) -> SelectionResult:
    shares = participation(pool, emissions, fairness=context.options["fairness"])
    places = _places(context, shares)
    left = left_gco2eq(context, emissions, work)
    pace = _pace(context, emissions, work, shares, places=places, left=left)
    due = due_updates(context, pool, shares, places=places, pace=pace)
    prices = reservation_prices(
        emissions, due, updates_an_hour=pace.updates_an_hour,
        relative=bool(context.options["relative"]),
    )  # fmt: skip
    waited = overdue_h(context, pool, places=places, pace=pace)
    values = _values(pool, emissions, prices, pace, places=places)
    if values is not None and _is_worth_waiting(values, pace, waited):
        return SelectionResult((), because=why_wait(values, pace))
    chosen = best(context, pool, prices.gain, waited, places=places)
    budget = round_gco2eq(pace.rounds_left, left)
    counts = work.within(chosen, budget)
    grams = work.gco2eq(counts)
    chosen = _affordable(context, chosen, grams, budget)
    return SelectionResult(
        [pool.clients[n] for n in chosen],
        epochs=_fewer(context, pool, chosen, counts),
        weights=_named(context, pool, chosen, undoing_weights(shares)),
        because=_because(context, values, pace, waited[chosen]),
        notes=price_notes(pool, emissions, prices, shares=shares, due=due, grams=grams),
    )


def _may_wait(context: SelectionContext) -> bool:
    return bool(context.options["wait"])


def _pace(
    context: SelectionContext,
    emissions: HourlyEmissions,
    work: LocalWork,
    shares: Floats,
    *,
    places: int,
    left: float | None,
) -> Pace:
    """Return how a run stands in time, with rounds of so many places and what is left to emit."""
    least = places * float(shares @ emissions.usual_gco2eq) * work.least / context.epochs
    affordable = None if left is None or least <= 0 else max(1.0, left / least)
    return pace_of(context, hours=emissions.hours, affordable=affordable, waits=_may_wait(context))


def _rested(context: SelectionContext, pool: CandidateTable, an_hour: float) -> Bools:
    """Return which candidates have not just given what one hour is to hold of theirs; `(N,)`."""
    since_hour_h = (context.now - slot_start(context.now)) / HOUR
    enough_h = min(1.0 / an_hour, since_hour_h)
    rested: Bools = (pool.waited_h >= enough_h) | (pool.updates == 0)
    return rested


def _values(
    pool: CandidateTable,
    emissions: HourlyEmissions,
    prices: ReservationPrices,
    pace: Pace,
    *,
    places: int,
) -> HourValues | None:
    """Return what the hours ahead are worth; `None` if the round cannot wait for them."""
    if not pace.has_slack:
        return None
    return hour_values(emissions, prices, idle_until(pool, emissions), places=places)


def _is_worth_waiting(values: HourValues, pace: Pace, waited: Floats) -> bool:
    enough = values.better_hours() >= pace.hours_needed
    return enough and values.saves_gco2eq > 0 and not waited.any()


def _because(
    context: SelectionContext, values: HourValues | None, pace: Pace, waited: Floats
) -> Because:
    """Return why clients train now, of which some waited for too long: `waited` is theirs."""
    code = "at_once"
    if _may_wait(context):
        code = "no_deadline" if context.hours_left is None else "no_slack"
    return why_now(values, pace, overdue=int((waited > 0).sum()), code=code)


def _places(context: SelectionContext, shares: Floats) -> int:
    """Return the size of the cohort, so that no share means more than one update a round."""
    alike = round(round(1 / float(shares.max()), _DIGITS))
    return min(len(shares), context.wanted, max(context.quorum, alike, 1))


def _closing(
    context: SelectionContext, pool: CandidateTable, emissions: HourlyEmissions, work: LocalWork
) -> SelectionResult | None:
    """Return a round of all clients, or a wait for its best hour, if due and affordable."""
    left = context.rounds_left
    if left is None or not 1 <= left <= closing_rounds(context):
        return None
    everybody = np.arange(len(pool))
    budget = round_gco2eq(left, left_gco2eq(context, emissions, work))
    counts = work.within(everybody, budget)
    if work.gco2eq(counts).sum() > budget:
        return None
    pace = pace_of(context, hours=emissions.hours, affordable=None, waits=_may_wait(context))
    prices = reservation_prices(emissions, np.ones(len(pool)))
    waited = overdue_h(context, pool, places=len(pool), pace=pace)
    values = _values(pool, emissions, prices, pace, places=len(pool))
    if values is not None and _is_worth_waiting(values, pace, waited):
        return SelectionResult((), because=why_wait(values, pace))
    return SelectionResult(
        pool.clients,
        epochs=_fewer(context, pool, everybody, counts),
        target=len(pool),
        because={"code": "closing", "rounds_left": float(left)},
    )


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
