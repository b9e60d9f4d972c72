"""Watch: who lives, what the grid says, whose gate changed. Facts become events, no decisions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from common.messages import Heartbeat
from scheduler.carbon import chain
from scheduler.carbon.grid import ZoneNow
from scheduler.carbon.zone_history import ZoneHistory
from scheduler.federation.federation import Federation
from scheduler.ledger.event import Draft
from scheduler.ledger.events import GridCaughtUp, SignalFellBack, SignalRecovered
from scheduler.rounds.news import gate_news, grid_news, presence_news
from scheduler.selection.situation import judge_gates
from tasks.coordinator.coordinator import Coordinator
from tasks.messaging.heartbeats import read_heartbeats
from tasks.messaging.queues import queue, send

_IMPATIENT_S = 10.0
"""A zone of which nothing is known is asked about at most this often, wall seconds."""

_CAUGHT_UP = timedelta(days=7)
"""How far back the ledger is completed after an interruption, grid time."""


def watch(c: Coordinator) -> dict[str, Heartbeat]:
    """Record who came and who fell silent, new readings and changed gates.

    Returns:
        The heartbeats of the clients that are alive.
    """
    state = c.ledger.state()
    beats = read_heartbeats(c.broker, state.clients)
    learned = _look_around(c, _zones(state))
    if _news(c, state, beats, learned=learned):
        with c.ledger.transaction() as tx:
            tx.append(*_news(c, tx.state, beats, learned=learned))
    return beats


def _look_around(c: Coordinator, zones: Collection[str]) -> bool:
    """Take over what other processes learned of the grid; return whether there is anything new."""
    if c.almanacs is None:
        return False
    learned = c.almanacs.take_news()
    if learned:
        c.grid.forget()
    c.almanacs.remember(zones)
    now = c.clock.now()
    unknown = any(c.almanacs.zone(zone).reading_at(now) is None for zone in zones)
    if unknown and c.almanacs.want(every_s=min(c.settings.refresh_s, _IMPATIENT_S)):
        send("refresh_carbon", queue("coordinator"))
    return learned


def _news(
    c: Coordinator, state: Federation, beats: Mapping[str, Heartbeat], *, learned: bool
) -> list[Draft]:
    now = c.clock.now()
    zones = {zone: c.grid.zone(zone, now) for zone in _zones(state)}
    gates = judge_gates(state, state.clients.values(), c.grid, c.gate_rule, now)
    return [
        *presence_news(state.clients, beats),
        *grid_news(state, zones),
        *(_signal_news(c, state, zones) if c.almanacs else ()),
        *(_caught_up(c, state, now) if learned else ()),
        *gate_news(state.clients, gates, now),
    ]


def _zones(state: Federation) -> set[str]:
    return {client.zone for client in state.clients.values() if not client.retired}


def _signal_news(c: Coordinator, state: Federation, zones: Mapping[str, ZoneNow]) -> list[Draft]:
    """Return the zones whose active source has changed: to another than the expected, or back."""
    drafts = []
    for zone, now in sorted(zones.items()):
        expected = chain(c.settings, zone)[0]
        active = now.reading.source if now.reading else None
        known_state = state.signals.get(zone)
        if active == (known_state.active_source if known_state else expected):
            continue
        if active == expected:
            drafts.append(Draft(SignalRecovered(zone=zone, active_source=expected)))
            continue
        known = c.almanacs.zone(zone) if c.almanacs else ZoneHistory(zone)
        if not (known.response_at or known.faults):
            continue  # nobody has been asked yet
        why = known.faults.get(expected)
        fell_back = SignalFellBack(
            zone=zone,
            expected=expected,
            active_source=active,
            why=why or now.fault or f"{expected} has no reading of this hour.",
        )
        drafts.append(Draft(fell_back))
    return drafts


def _caught_up(c: Coordinator, state: Federation, now: datetime) -> list[Draft]:
    """Return what was found out since of the hours in which nobody watched."""
    readings = {}
    for zone, series in sorted(state.grid.items()):
        first = series.first or now
        past = (
            c.almanacs.zone(zone).between(max(first, now - _CAUGHT_UP), now) if c.almanacs else ()
        )
        lacking = tuple(
            r.to_record() for r in past if r.end <= now and r.start >= first and series.lacks(r)
        )
        if lacking:
            readings[zone] = lacking
    return [Draft(GridCaughtUp(readings=readings))] if readings else []
