"""The situation a plan is made from, gathered from the ledger's state and the grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from scheduler.carbon.grid import Grid
from scheduler.client import Client
from scheduler.federation import Federation, Run
from scheduler.gate import Gate, GateRule, judge
from scheduler.plan import Situation


def take_in(
    state: Federation, run: Run | None, grid: Grid, rule: GateRule, now: datetime
) -> Situation:
    """Return the situation at `now` (grid clock) for one run, or for none in particular."""
    clients = [client for client in state.clients.values() if not client.retired]
    remaining = None
    if run is not None and run.spec.grams is not None:
        remaining = run.spec.grams - run.spent_gco2eq
    return Situation(
        now=now,
        clients=clients,
        gates=judge_gates(state, clients, grid, rule, now),
        intensity={client.id: _intensity(grid, client.zone, now) for client in clients},
        busy=frozenset(part.client for part in state.open_assignments()),
        failures=run.failures if run else {},
        remaining_gco2eq=remaining,
    )


def judge_gates(
    state: Federation, clients: Iterable[Client], grid: Grid, rule: GateRule, now: datetime
) -> Mapping[str, Gate]:
    """Return every client's gate at `now`, by client id."""
    allowed = _patience_allowed(state)
    gates = {}
    for client in clients:
        zone = grid.zone(client.zone, now)
        gates[client.id] = judge(
            client.gate, zone.reading, zone.history, rule=rule, now=now,
            waiting_since=client.waiting_since or now, patience_allowed=allowed,
        )  # fmt: skip
    return gates


def _patience_allowed(state: Federation) -> bool:
    """Return whether any run could pay for an exception."""
    runs = state.active_runs()
    return any(run.spec.grams is None or run.spent_gco2eq < run.spec.grams for run in runs)


def _intensity(grid: Grid, zone: str, now: datetime) -> float | None:
    reading = grid.zone(zone, now).reading
    return reading.gco2eq_per_kwh if reading and reading.family == grid.family else None
