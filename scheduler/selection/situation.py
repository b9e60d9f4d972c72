"""The situation a plan is made from, gathered from the ledger's state and the grid."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime

from scheduler.carbon.grid import Grid
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR
from scheduler.federation.client import Client
from scheduler.federation.federation import Federation, Run
from scheduler.gate.gate import Gate, GateRule
from scheduler.gate.judge import ZoneJudge
from scheduler.policies.policy import find_policy, policy_options
from scheduler.selection.plan import Situation


def make_situation(
    state: Federation,
    run: Run | None,
    grid: Grid,
    rule: GateRule,
    now: datetime,
    *,
    weights: Mapping[str, float],
) -> Situation:
    """Return the situation at `now` (grid clock) for one run, or for none in particular.

    `weights` are those of the parts of a score, as `score_weights` returns them.
    """
    clients = state.enrolled()
    zones = {client.zone for client in clients}
    readings = {zone: _comparable(grid, grid.zone(zone, now).reading) for zone in zones}
    hours = _hours_ahead(run) if run else 0
    return Situation(
        now=now,
        clients=clients,
        gates=judge_gates(state, clients, grid, rule, now),
        readings={client.id: readings[client.zone] for client in clients},
        busy=frozenset(part.client for part in state.open_assignments()),
        failures=run.failures if run else {},
        too_long=run.too_long if run else frozenset(),
        spent_gco2eq=run.spent_gco2eq if run else 0.0,
        past=run.closed if run else (),
        forecasts={zone: grid.ahead(zone, now, hours) for zone in zones if hours},
        weights=weights,
        hours_left=_hours_left(run, now) if run else None,
    )


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
    clients, allowed = list(clients), patience_allowed(state)
    zones = {zone: grid.zone(zone, now) for zone in {client.zone for client in clients}}
    judges = {
        name: ZoneJudge(zone.reading, zone.week, rule=rule, now=now, patience_allowed=allowed)
        for name, zone in zones.items()
    }
    return {
        client.id: judges[client.zone].gate(client.gate, client.waiting_since or now)
        for client in clients
    }


def patience_allowed(state: Federation) -> bool:
    """Return whether any run could pay for an exception."""
    runs = state.active_runs()
    return any(run.spec.grams is None or run.spent_gco2eq < run.spec.grams for run in runs)


def _comparable(grid: Grid, reading: Reading | None) -> Reading | None:
    return reading if reading and reading.family == grid.family else None
