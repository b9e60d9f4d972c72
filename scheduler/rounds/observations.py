"""News: what was seen of clients, grids and gates that the ledger does not hold yet. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from common.clock_difference import difference_to_note
from common.messages import Heartbeat
from scheduler.carbon.grid import ZoneNow
from scheduler.federation.client import Client
from scheduler.federation.federation import Federation
from scheduler.gate.gate import Gate
from scheduler.ledger.event import Draft
from scheduler.ledger.events import (
    ClientClockCompared,
    ClientIdleStated,
    ClientJoined,
    ClientPaused,
    ClientPolicyChanged,
    ClientResumed,
    ClientSilent,
    GateChanged,
    GridRead,
)

_RECORDED_DAILY = timedelta(days=1)


def heartbeat_events(
    clients: Mapping[str, Client], beats: Mapping[str, Heartbeat], *, clock_ahead_s: float = 0.0
) -> list[Draft]:
    """Return who joined, fell silent or was paused, and whose policy, watts or clock changed.

    Args:
        clients: As they are known.
        beats: The heartbeats of those whose workers are there.
        clock_ahead_s: How far the coordinator's own clock is ahead of Redis's, s.
    """
    drafts = []
    for client in clients.values():
        beat = beats.get(client.id)
        if beat is None and client.alive:
            drafts.append(Draft(ClientSilent(), client=client.id))
        elif beat and not (client.alive and client.incarnation == beat.incarnation):
            joined = ClientJoined(incarnation=beat.incarnation, host=beat.host, pid=beat.pid)
            drafts.append(Draft(joined, client=client.id))
        if beat and beat.paused != client.paused:
            paused = ClientPaused() if beat.paused else ClientResumed()
            drafts.append(Draft(paused, client=client.id))
        if beat and beat.policy != client.policy:
            drafts.append(Draft(ClientPolicyChanged(version=beat.policy), client=client.id))
        if beat and beat.idle_w != client.idle_w:
            drafts.append(Draft(ClientIdleStated(idle_w=beat.idle_w), client=client.id))
        if beat and beat.clock_ahead_s is not None:
            ahead_s = beat.clock_ahead_s - clock_ahead_s
            noted_s = difference_to_note(client.clock_ahead_s, ahead_s)
            if noted_s is not None:
                drafts.append(Draft(ClientClockCompared(ahead_s=noted_s), client=client.id))
    return drafts


def grid_events(state: Federation, zones: Mapping[str, ZoneNow]) -> list[Draft]:
    """Return one event with the readings of the zones in which they changed, if any did."""
    readings = {
        zone: now.reading.to_record() if now.reading else None
        for zone, now in sorted(zones.items())
        if zone not in state.grid or state.grid[zone].latest != now.reading
    }
    return [Draft(GridRead(readings=readings))] if readings else []


def gate_events(
    clients: Mapping[str, Client], gates: Mapping[str, Gate], now: datetime
) -> list[Draft]:
    """Return the gates that are worth an event: another state or reason, or a day without one.

    Intensities have events of their own; the zone's quantiles drift slowly.

    Args:
        clients: With their gates as judged before.
        gates: As judged now.
        now: The time on the grid clock.
    """
    latest = now - _RECORDED_DAILY
    drafts, payloads = [], dict[int, GateChanged]()
    for name, gate in gates.items():
        client = clients[name]
        before, recorded_at = client.gate, client.gate_recorded_at
        if (
            before is not None
            and before.state == gate.state
            and before.reason == gate.reason
            and recorded_at is not None
            and recorded_at > latest
        ):
            continue
        # Clients of one zone share a gate, and so what is recorded of it.
        if id(gate) not in payloads:
            payloads[id(gate)] = gate.to_payload()
        drafts.append(Draft(payloads[id(gate)], client=name))
    return drafts
