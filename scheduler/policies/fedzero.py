"""FedZero: train on excess energy alone, in the shortest rounds it allows.

Philipp Wiesner, Ramin Khalili, Dennis Grinwald, Pratik Agrawal, Lauritz Thamsen and Odej Kao,
"FedZero: Leveraging Renewable Excess Energy in Federated Learning", e-Energy 2024, arXiv
2305.15092, with details that only the authors' code has. Of the clients A whose domain has excess
energy now, some are on a blocklist (`scheduler.policies.fedzero_blocklist`). For d = 1, 2, ...
minutes, up to 60, the clients that can do an epoch within d enter a mixed-integer program, which
chooses n of them to maximise utility times work within their domains' energy
(`scheduler.policies.fedzero_mip`). The first feasible d is taken: the shortest round wins.

sigma is Oort's utility of a client's last participation in the run, before that its sample count,
scaled from 0 to 1 over the candidates (all 1 if all are equal). m_min is one epoch, m_max all the
run's: an invited client does as many whole epochs as its share of d pays for, and its update
weighs as much.

The paper has solar power of each domain; a carbon signal reports only how clean a zone's grid is.
So, ours: a domain is a zone, and `power_w` of it is excess in every hour whose forecast intensity
is at or below `excess_quantile` of all zones' hours of the day ahead, else none is. What the paper
takes from a client's load forecast is here the run's epochs over its usual duration, the same in
every minute. The sites themselves spend energy at run time.

What else differs: feasibility can only grow with d, so the first feasible one is found by
bisection. The paper waits until exactly n clients can work; here n is the most up to the places,
and only below the quorum does the round wait. Unknown figures count as the median of the known.
While nobody's energy or duration is known there is no program to solve: clients of A are drawn.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from scheduler.policies.candidate_table import CandidateTable, Floats, Ints
from scheduler.policies.fedzero_blocklist import blocked
from scheduler.policies.fedzero_mip import BatchLimits, allocate, most_clients, surely
from scheduler.policies.past_rounds import has_utility, newest
from scheduler.policies.selection_context import SelectionContext, with_median
from scheduler.policies.selection_result import WEIGHT_SPAN, SelectionResult

_DAY_H = 24
_MIN_PER_H = 60
_S_PER_MIN = 60.0
_SLACK = 1e-6
"""Epochs that rounding in the solver may cost."""


@dataclass(frozen=True, slots=True)
class _Excess:
    """Excess power by zone and hour, the running one first, W; shape `(num_zones, hours)`."""

    power_w: Floats
    limit_gco2eq_per_kwh: float | None


def select(context: SelectionContext) -> SelectionResult:
    """Return the cohort and its epochs in the shortest feasible round; empty if there is none.

    Options: `alpha` and `quantile`, of the blocklist; `power_w` of excess energy in each zone, and
    `excess_quantile`, how much of the day has it; `round_min`, the longest round.
    """
    options = context.options
    candidates = sorted(context.candidates, key=lambda candidate: candidate.client)
    candidates = context.rng.sample(candidates, len(candidates))
    pool = CandidateTable.of(candidates)
    excess = _excess(pool, power_w=options["power_w"], quantile=options["excess_quantile"])
    off = blocked(context, alpha=options["alpha"], quantile=options["quantile"])
    fed = excess.power_w[pool.zone, 0] > 0.0 if len(pool) else np.zeros(0, bool)
    free = fed & np.array([client not in off for client in pool.clients], bool)
    figures = {
        "excess_gco2eq_per_kwh": excess.limit_gco2eq_per_kwh,
        "without_excess": int((~fed).sum()), "blocked": int((fed & ~free).sum()),
    }  # fmt: skip
    if free.sum() < context.quorum:
        return SelectionResult((), because={"code": "too_little_excess", **figures})
    if np.isnan(pool.energy_wh).all() or np.isnan(pool.duration_s).all():
        drawn = [c for c, is_free in zip(pool.clients, free, strict=True) if is_free]
        return SelectionResult(
            sorted(drawn[: context.wanted]), because={"code": "first_experience", **figures}
        )
    return _shortest(context, pool, excess, np.flatnonzero(free), figures)


def _shortest(
    context: SelectionContext,
    pool: CandidateTable,
    excess: _Excess,
    free: Ints,
    figures: dict[str, float | None],
) -> SelectionResult:
    limit_min, n = int(context.options["round_min"]), context.wanted
    whole_day = _work(context, pool, excess).of(free)

    def work(minutes: int) -> BatchLimits:
        return whole_day.within(_spans_min(context.now, minutes, excess.power_w.shape[1]))

    if not surely(work(limit_min), n):
        n = most_clients(work(limit_min), n)
    if n < context.quorum:
        return SelectionResult(
            (), because={"code": "excess_too_short", "could_train": n, **figures}
        )

    # What fits into d minutes fits into d + 1; the cheap tests come first.
    spans = range(1, limit_min + 1)
    reach = bisect_left(spans, n, key=lambda d: int((work(d).reachable() >= 1.0 - _SLACK).sum()))
    minutes = spans[bisect_left(spans, 1, lo=reach, key=lambda d: int(_fits(work(d), n)))]
    epochs = allocate(work(minutes), n)
    if epochs is None:
        return SelectionResult(
            (), because={"code": "excess_too_short", "could_train": n, **figures}
        )
    whole = np.floor(epochs + _SLACK).astype(np.int64)
    chosen = {pool.clients[free[at]]: int(whole[at]) for at in np.flatnonzero(whole)}
    return SelectionResult(
        sorted(chosen),
        epochs={c: done for c, done in chosen.items() if done < context.epochs},
        weights=_weights(chosen, context.epochs),
        because={"code": "shortest_round", "minutes": minutes, **figures},
    )


def _fits(work: BatchLimits, n: int) -> bool:
    return surely(work, n) or most_clients(work, n) == n


def _weights(epochs: Mapping[str, int], whole: int) -> dict[str, float]:
    """Return weights such that an update counts by its batches, as in the paper."""
    if len(set(epochs.values())) <= 1:
        return {}
    return {client: max(1 / WEIGHT_SPAN, done / whole) for client, done in epochs.items()}


def _excess(pool: CandidateTable, *, power_w: float, quantile: float) -> _Excess:
    """Return where and when power is excess, as far as intensities are known."""
    num_zones, hours = pool.forecasts.shape
    ahead = np.full((num_zones, max(hours, 1)), np.nan)
    ahead[:, :hours] = pool.forecasts
    known = ~np.isnan(pool.intensity_gco2eq_per_kwh)
    ahead[pool.zone[known], 0] = pool.intensity_gco2eq_per_kwh[known]
    day = ahead[:, :_DAY_H]
    if np.isnan(day).all():
        return _Excess(np.zeros_like(ahead), None)
    limit = float(np.nanquantile(day, quantile))
    return _Excess(np.where(ahead <= limit, power_w, 0.0), limit)


def _work(context: SelectionContext, pool: CandidateTable, excess: _Excess) -> BatchLimits:
    """Return what every candidate could do in a minute of each hour from now."""
    duration_s = _known(pool.duration_s)
    rate = context.epochs * _S_PER_MIN / np.maximum(duration_s, _SLACK)  # epochs a minute
    return BatchLimits(
        sigma=_sigma(context, pool),
        delta_wh=_known(pool.energy_wh) / context.epochs,
        spare=np.repeat(rate[:, None], excess.power_w.shape[1], axis=1),
        domain=pool.zone,
        energy_wh=excess.power_w / _MIN_PER_H,
        least=1.0,
        most=float(context.epochs),
    )


def _spans_min(now: datetime, minutes: int, hours: int) -> Floats:
    """Return the minutes of each hour, the running one first, that a round from now lasts into."""
    ends = (np.arange(hours) + 1) * _MIN_PER_H - now.minute
    return np.diff(np.minimum(ends, minutes), prepend=0).clip(min=0).astype(np.float64)


def _known(figures: Floats) -> Floats:
    """Return figures with the median of the known for those that are not."""
    return np.where(np.isnan(figures), np.nanmedian(figures), figures)


def _sigma(context: SelectionContext, pool: CandidateTable) -> Floats:
    found = newest(context.past, pool.clients, counts=has_utility)
    latest = {client: update.utility for client, (_, update) in found.items()}
    counts = dict(zip(pool.clients, pool.num_examples.tolist(), strict=True))
    known = with_median(
        {c: latest.get(c, None if np.isnan(count) else count) for c, count in counts.items()}
    )
    sigma = np.array([known[c] for c in pool.clients])
    spread = np.ptp(sigma)
    return (sigma - sigma.min()) / spread if spread > 0.0 else np.ones(len(sigma))
