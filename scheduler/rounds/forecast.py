"""The agenda: which rounds are expected to be held when, with whom and why, under the forecast.

The run's own policy is asked in advance, hour by hour, as the scheduler will ask it: gates as they
are expected to stand, and every round that was planned taken to have happened as planned. What
cannot be foreseen is left out: clients that come or go, other runs, and experience that changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from common.units import emitted_gco2eq
from scheduler.carbon.grid import Grid
from scheduler.carbon.signal import HOUR, slot_start
from scheduler.federation.client import Client
from scheduler.federation.federation import Federation, Run
from scheduler.federation.round import ClosedRound
from scheduler.gate.gate import GateRule
from scheduler.policies import find_policy
from scheduler.policies.context import PastUpdate
from scheduler.policies.reason import explain
from scheduler.policies.result import Because
from scheduler.selection.plan import SENTENCES, Plan, Situation, plan_round
from scheduler.selection.situation import take_in

MOST = 500
"""Rounds that an agenda lists at most."""

_LIKE = 5
"""A round is taken to last as long as the middle one of so many before it."""

_SHORTEST = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ExpectedRound:
    """A round that is expected, or a span in which it waits. Times are on the grid clock.

    Attributes:
        number: The round's.
        start, end: When it is held, or waits.
        cohort: Who is invited; nobody while it waits.
        zones: How many of them there are in each zone.
        waiting: The code of why it waits, one of `plan.SENTENCES`; `None` if it is held.
        because: Why the policy chose so, where it says so.
        gco2eq: What those are expected to emit of whom there is experience; `None` if of nobody.
        run_now_gco2eq: What the same work would emit with every round as early as can be; `None`
            where that is not known of all of them.
        running: Whether the round is under way already.
    """

    number: int
    start: datetime
    end: datetime
    cohort: tuple[str, ...] = ()
    zones: Mapping[str, int] = field(default_factory=dict)
    waiting: str | None = None
    because: Because = field(default_factory=dict)
    gco2eq: float | None = None
    run_now_gco2eq: float | None = None
    running: bool = False


def agenda(
    state: Federation,
    run: Run,
    grid: Grid,
    rule: GateRule,
    now: datetime,
    *,
    hours: int,
    weights: Mapping[str, float],
) -> list[ExpectedRound]:
    """Return what is expected of a run from `now` on, in order.

    Args:
        state: The federation as it stands; it is not changed.
        run: One of its runs; of one that has ended nothing is expected.
        grid: Knows the forecasts as readings to come.
        rule: When gates open and close.
        now: On the grid clock.
        hours: How far ahead to look, the running hour included.
        weights: How much each part of a score counts.

    Raises:
        SettingError: If the run's policy cannot be found, or fails.
    """
    course, found = _Course(state, run, grid, now), list[ExpectedRound]()
    if run.ended_at is not None or run.stop_requested:
        return found
    at, end = now, slot_start(now) + hours * HOUR
    due = max(now, run.due_at or now)
    if run.open_round is not None:
        found.append(course.finish_open(now))
        due = course.next_due(found[-1])
    while at < end and not course.over(at) and len(found) < MOST:
        situation = course.look(rule, at, weights=weights)
        later = slot_start(at) + HOUR
        if due > at:
            at = min(later, due)
            continue
        plan = plan_round(run.spec, situation, number=course.number, so_far=None)
        if plan.cohort:
            found.append(course.hold(plan, at))
            due = course.next_due(found[-1])
            at = min(later, max(due, at + _SHORTEST))
        else:
            _wait(found, plan, number=course.number, start=at, end=min(later, end))
            at = later
    return found


def copied(state: Federation, run: Run) -> tuple[Federation, Run]:
    """Return what an agenda is made from, apart from the federation that goes on meanwhile."""
    clients = {c.id: replace(c) for c in state.clients.values() if not c.retired}
    ours = replace(run, closed=run.closed.copy(), totals=replace(run.totals))
    ours.open_round = run.open_round and replace(run.open_round, cohort=dict(run.open_round.cohort))
    return Federation(clients=clients, runs={run.id: ours}), ours


def why(appointment: ExpectedRound, run: Run) -> str:
    """Return one sentence that says why a round is expected to be held, or to wait."""
    if appointment.running:
        return "under way"
    said = explain(appointment.because)
    if said and appointment.waiting in {None, "policy_waits"}:
        return said
    if appointment.waiting:
        return f"waits: {SENTENCES[appointment.waiting]}"
    return f"{run.spec.policy} {find_policy(run.spec.policy).summary}"


def describe(appointment: ExpectedRound, run: Run) -> dict[str, Any]:
    """Return an appointment as JSON can hold it; times are on the grid clock."""
    return {
        "round": appointment.number,
        "start": appointment.start.isoformat(),
        "end": appointment.end.isoformat(),
        "cohort": list(appointment.cohort),
        "zones": dict(appointment.zones),
        "waiting": appointment.waiting,
        "running": appointment.running,
        "why": why(appointment, run),
        "expected_gco2eq": appointment.gco2eq,
        "run_now_gco2eq": appointment.run_now_gco2eq,
    }


def _wait(
    found: list[ExpectedRound], plan: Plan, *, number: int, start: datetime, end: datetime
) -> None:
    """Note that the round waits, for as long as it does for the same reason."""
    last = found[-1] if found else None
    if (
        last is not None
        and (last.waiting, last.because.get("code")) == (plan.waiting, plan.because.get("code"))
        and last.end == start
    ):
        found[-1] = replace(last, end=end)
    else:
        because = plan.because
        found.append(ExpectedRound(number, start, end, waiting=plan.waiting, because=because))


class _Course:
    """The federation as it is expected to go on: a copy, in which rounds happen as planned."""

    def __init__(self, state: Federation, run: Run, grid: Grid, now: datetime) -> None:
        self._state, self._run = copied(state, run)
        self._clients, self._grid, self._run_now_at = self._state.clients, grid, now
        self._open, self._run.open_round = self._run.open_round, None
        spans = [done.ended - done.started for done in run.closed[-_LIKE:]]
        self._usual = max(_SHORTEST, sorted(spans)[len(spans) // 2]) if spans else None

    @property
    def number(self) -> int:
        """The number of the round that comes next."""
        return len(self._run.closed) + 1

    def over(self, at: datetime) -> bool:
        """Return whether a budget of the run is spent by then."""
        spec, run = self._run.spec, self._run
        out_of_time = spec.hours is not None and at >= run.grid_started_at + spec.hours * HOUR
        spent = spec.grams is not None and run.spent_gco2eq >= spec.grams
        return run.complete or out_of_time or spent

    def look(self, rule: GateRule, at: datetime, *, weights: Mapping[str, float]) -> Situation:
        """Return the situation at a time to come, and let gates stand as they are judged then."""
        situation = take_in(self._state, self._run, self._grid, rule, at, weights=weights)
        for client in self._clients.values():
            gate, was = situation.gates[client.id], client.gate
            if was is not None and was.state == "open" and gate.state != "open":
                client.waiting_since = at
            client.gate = gate
        return situation

    def next_due(self, last: ExpectedRound) -> datetime:
        """Return when the round after this one is due."""
        spec = self._run.spec
        return last.end if spec.cron is None else max(last.end, spec.due(last.start))

    def hold(self, plan: Plan, at: datetime) -> ExpectedRound:
        """Return the round of a plan, which happens."""
        expected = plan.verdicts.expected_gco2eq[plan.verdicts.coded("invited")].tolist()
        grams = dict(zip(plan.cohort, expected, strict=True))
        return self._happen(plan.cohort, at, self._end(at), grams, plan)

    def finish_open(self, now: datetime) -> ExpectedRound:
        """Return the round that is under way, which ends as one of its kind usually does."""
        assert self._open is not None  # noqa: S101 - for the type checker: the caller looked
        start = self._open.grid_planned_at
        cohort = tuple(self._open.cohort)
        grams = {c: self._gco2eq([c], start, self._end(start)) for c in cohort}
        known = {c: np.nan if each is None else each for c, each in grams.items()}
        return self._happen(cohort, start, max(now, self._end(start)), known, None)

    def _end(self, start: datetime) -> datetime:
        """Return when a round ends; with no experience, with its hour."""
        return start + self._usual if self._usual else slot_start(start) + HOUR

    def _happen(
        self, cohort: tuple[str, ...], start: datetime, end: datetime,
        grams: Mapping[str, float], plan: Plan | None,
    ) -> ExpectedRound:  # fmt: skip
        clients = [self._clients[c] for c in cohort if c in self._clients]
        known = [each for each in grams.values() if not np.isnan(each)]
        epochs = plan.epochs if plan else {}
        run_now = self._gco2eq(cohort, self._run_now_at, self._run_now_at + (end - start), epochs)
        made = ExpectedRound(
            self.number, start, end, cohort, dict(Counter(c.zone for c in clients)),
            because=plan.because if plan else {}, gco2eq=sum(known) if known else None,
            run_now_gco2eq=run_now, running=plan is None,
        )  # fmt: skip
        self._run_now_at = self._run.spec.due(self._run_now_at + (end - start))
        self._run.totals.counted_gco2eq += sum(known)
        self._run.closed.append(_closed(made, clients, grams, self._run))
        for client in clients:
            client.updates += 1
            client.waiting_since = end
        return made

    def _gco2eq(
        self,
        cohort: Iterable[str],
        start: datetime,
        end: datetime,
        epochs: Mapping[str, int] | None = None,
    ) -> float | None:
        """Return what the cohort's work emits in an interval, `None` where any of it is unknown."""
        total, whole = 0.0, self._run.spec.hyperparameters.epochs
        for client in (self._clients.get(name) for name in cohort):
            energy_wh = client.energy_per_update_wh if client else None
            mean = self._grid.comparable(client.zone, start, end) if client else None
            if client is None or energy_wh is None or mean is None:
                return None
            share = (epochs or {}).get(client.id, whole) / whole
            total += emitted_gco2eq(energy_wh * share, mean)
        return total


def _closed(
    made: ExpectedRound, clients: Iterable[Client], grams: Mapping[str, float], run: Run
) -> ClosedRound:
    """Return an expected round as policies remember it; what only a model knows is left empty."""
    updates = {
        client.id: PastUpdate(
            client.utility, client.latency_s or 0.0,
            None if np.isnan(grams[client.id]) else grams[client.id],
        )
        for client in clients
    }  # fmt: skip
    return ClosedRound(
        number=made.number, version=run.version or "", cohort=made.cohort, started=made.start,
        ended=made.end, wall_seconds=0.0, energy_wh=0.0, gco2eq=made.gco2eq or 0.0,
        baseline_gco2eq=None, baseline_started=made.start, baseline_ended=made.end,
        fleet_gco2eq=None, held_out={}, phases={}, updates=updates,
        base_version=run.version or "", server_state=None, manifest=(), exponent=0,
    )  # fmt: skip
