"""The situation a plan is made from, gathered from the ledger's state and the grid."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from scheduler.carbon.grid import Grid
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR
from scheduler.federation.client import Client
from scheduler.federation.closed_rounds import ClosedRounds
from scheduler.federation.federation import Federation, Run
from scheduler.gate.gate import Gate, GateRule
from scheduler.gate.judge import ZoneJudge
from scheduler.policies.policy import find_policy, policy_options
from scheduler.selection.plan import Situation
from scheduler.selection.stagger import starts_to_come


def make_situation(
    state: Federation,
    run: Run | None,
    grid: Grid,
    rule: GateRule,
    now: datetime,
    *,
    wall_now: datetime,
    weights: Mapping[str, float],
    stagger: timedelta = timedelta(0),
) -> Situation:
    """Return the situation for one run, or for none in particular.

    `now` is on the grid clock, `wall_now` the same instant on the wall clock.

    `weights` are those of the parts of a score, as `score_weights` returns them. `stagger` is over
    which part of an hour the starts of an asynchronous run are spread.
    """
    clients = state.enrolled()
    zones = {client.zone for client in clients}
    readings = {zone: _comparable(grid, grid.zone(zone, now).reading) for zone in zones}
    hours = _hours_ahead(run) if run else 0
    return Situation(
        now=now,
        wall_now=wall_now,
        clients=clients,
        gates=judge_gates(state, clients, grid, rule, now),
        readings={client.id: readings[client.zone] for client in clients},
        busy=frozenset(part.client for part in state.open_assignments()),
        problems=run.problems if run else {},
        spent_gco2eq=run.spent_gco2eq if run else 0.0,
        past=run.closed if run else ClosedRounds(),
        forecasts={zone: grid.ahead(zone, now, hours) for zone in zones if hours},
        weights=weights,
        hours_left=_hours_left(run, now) if run else None,
        counted=_counted(run),
        staggered=frozenset(starts_to_come(run, clients, now, stagger)) if run else frozenset(),
    )


def _counted(run: Run | None) -> frozenset[str]:
    pending = run.open_round if run is not None and run.round_under_way is None else None
    return frozenset(pending.accepted) if pending is not None else frozenset()


def _hours_left(run: Run, now: datetime) -> float | None:
    if run.spec.hours is None:
        return None
    return max(0.0, run.spec.hours - (now - run.grid_started_at) / HOUR)


def _hours_ahead(run: Run) -> int:
    """Return how many hours of forecast the run's policy looks at, the running one included."""
    policy = find_policy(run.spec.policy)
    options = policy_options(run.spec.policy, run.spec.policy_options)
    wanted = math.ceil(options.get("horizon_h", policy.horizon_h)) + 1
    return min(policy.horizon_h, wanted)


def judge_gates(
    state: Federation, clients: Iterable[Client], grid: Grid, rule: GateRule, now: datetime
) -> dict[str, Gate]:
    """Return every client's gate at `now`, by client id."""
    allowed, judges, gates = patience_allowed(state), dict[str, ZoneJudge](), dict[str, Gate]()
    for client in clients:
        judge = judges.get(client.zone)
        if judge is None:
            zone = grid.zone(client.zone, now)
            judge = judges[client.zone] = ZoneJudge(
                zone.reading, zone.week, rule=rule, now=now, patience_allowed=allowed
            )
        gates[client.id] = judge.gate(client.gate, client.waiting_since or now)
    return gates


def patience_allowed(state: Federation) -> bool:
    """Return whether any run could pay for an exception."""
    runs = state.active_runs()
    return any(run.spec.grams is None or run.spent_gco2eq < run.spec.grams for run in runs)


def _comparable(grid: Grid, reading: Reading | None) -> Reading | None:
    return reading if reading and reading.family == grid.family else None
