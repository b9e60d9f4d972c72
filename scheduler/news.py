"""News: what was seen of clients, grids and gates that the ledger does not hold yet. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from common.messages import Heartbeat
from scheduler.carbon.grid import ZoneNow
from scheduler.client import Client
from scheduler.event import Draft
from scheduler.federation import Federation
from scheduler.gate import Gate

_TOLD_DAILY = timedelta(days=1)


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


def grid_news(state: Federation, zones: Mapping[str, ZoneNow]) -> list[Draft]:
    """Return one event with the readings of the zones in which they changed, if any did."""
    readings = {
        zone: now.reading.to_dict() if now.reading else None
        for zone, now in sorted(zones.items())
        if zone not in state.grid or state.grid[zone].latest != now.reading
    }
    return [Draft("grid.read", body={"readings": readings})] if readings else []


def gate_news(state: Federation, gates: Mapping[str, Gate], now: datetime) -> list[Draft]:
    """Return the gates that are worth an event, as of `now` on the grid clock."""
    return [
        Draft("gate.changed", client=name, body=gate.to_dict())
        for name, gate in gates.items()
        if _is_news(state.clients[name], gate, now)
    ]


def _is_news(client: Client, gate: Gate, now: datetime) -> bool:
    """Return whether a gate is worth an event: another state or reason, or a day without one.

    Intensities have events of their own; the zone's quantiles drift slowly.
    """
    before, told_at = client.gate, client.gate_told_at
    if before is None or told_at is None or now - told_at >= _TOLD_DAILY:
        return True
    return (gate.state, gate.reason) != (before.state, before.reason)
