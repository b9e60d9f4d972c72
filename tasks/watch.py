"""Watch: who lives, what the grid says, whose gate changed. Facts become events, no decisions."""

from __future__ import annotations

from collections.abc import Mapping

from common.messages import Heartbeat
from scheduler.carbon.grid import ZoneNow
from scheduler.client import Client
from scheduler.event import Draft
from scheduler.federation import Federation
from scheduler.gate import Gate
from scheduler.situation import judge_gates
from tasks.coordinator import Coordinator
from tasks.presence import read_heartbeats


def watch(c: Coordinator) -> dict[str, Heartbeat]:
    """Record who came and who fell silent, new readings and changed gates.

    Returns:
        The heartbeats of the clients that are alive.
    """
    state = c.ledger.state()
    beats = read_heartbeats(c.broker, state.clients)
    if _news(c, state, beats):
        with c.ledger.transaction() as tx:
            tx.append(*_news(c, tx.state, beats))
    return beats


def _news(c: Coordinator, state: Federation, beats: Mapping[str, Heartbeat]) -> list[Draft]:
    now = c.clock.now()
    zones = {client.zone: c.grid.zone(client.zone, now) for client in state.clients.values()}
    gates = judge_gates(state, state.clients.values(), c.grid, c.gate_rule, now)
    return [
        *presence_news(state.clients, beats),
        *_grid_news(state, zones),
        *_gate_news(state, gates),
    ]


def presence_news(clients: Mapping[str, Client], beats: Mapping[str, Heartbeat]) -> list[Draft]:
    """Return who joined with a new incarnation, and who has fallen silent."""
    drafts = []
    for client in clients.values():
        beat = beats.get(client.id)
        if beat is None and client.alive:
            drafts.append(Draft("client.silent", client=client.id))
        elif beat and not (client.alive and client.incarnation == beat.incarnation):
            body = {"incarnation": beat.incarnation, "host": beat.host, "pid": beat.pid}
            drafts.append(Draft("client.joined", client=client.id, body=body))
    return drafts


def _grid_news(state: Federation, zones: Mapping[str, ZoneNow]) -> list[Draft]:
    """Return one event with the readings of the zones in which they changed, if any did."""
    readings = {
        zone: now.reading.to_dict() if now.reading else None
        for zone, now in sorted(zones.items())
        if zone not in state.grid or state.grid[zone].latest != now.reading
    }
    return [Draft("grid.read", body={"readings": readings})] if readings else []


def _gate_news(state: Federation, gates: Mapping[str, Gate]) -> list[Draft]:
    return [
        Draft("gate.changed", client=name, body=gate.to_dict())
        for name, gate in gates.items()
        if (before := state.clients[name].gate) is None or _told(gate) != _told(before)
    ]


def _told(gate: Gate) -> tuple[str, str, float | None]:
    """Return what makes a gate worth an event: its state, why, and the intensity it saw."""
    return gate.state, gate.reason, gate.numbers.get("intensity_gco2eq_per_kwh")
