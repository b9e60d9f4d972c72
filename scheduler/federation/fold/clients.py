"""What events about clients and their gates change."""

from __future__ import annotations

from scheduler.federation.client import Client
from scheduler.federation.federation import Federation
from scheduler.federation.fold.change import change
from scheduler.gate.gate import Gate
from scheduler.ledger.event import Event
from scheduler.ledger.events import (
    ClientEnrolled,
    ClientJoined,
    ClientPaused,
    ClientResumed,
    ClientRetired,
    ClientSilent,
    GateChanged,
)


@change.register
def _client_enrolled(enrolled: ClientEnrolled, event: Event, state: Federation) -> None:
    known = state.clients.get(event.client)
    client = known or Client(event.client, enrolled.zone, waiting_since=event.grid_at)
    client.zone, client.num_examples = enrolled.zone, enrolled.num_examples
    client.retired = False
    state.clients[event.client] = client


@change.register
def _client_retired(_: ClientRetired, event: Event, state: Federation) -> None:
    state.clients[event.client].retired = True


@change.register
def _client_joined(joined: ClientJoined, event: Event, state: Federation) -> None:
    client = state.clients[event.client]
    client.incarnation, client.host = joined.incarnation, joined.host
    client.alive, client.decline = True, None
    for run in state.active_runs():
        run.failures.pop(event.client, None)
        run.too_long.discard(event.client)


@change.register
def _client_silent(_: ClientSilent, event: Event, state: Federation) -> None:
    state.clients[event.client].alive = False


@change.register
def _client_paused(_: ClientPaused, event: Event, state: Federation) -> None:
    state.clients[event.client].paused = True


@change.register
def _client_resumed(_: ClientResumed, event: Event, state: Federation) -> None:
    state.clients[event.client].paused = False


@change.register
def _gate_changed(changed: GateChanged, event: Event, state: Federation) -> None:
    client = state.clients[event.client]
    was_open = client.gate is not None and client.gate.state == "open"
    client.gate, client.gate_recorded_at = Gate.from_payload(changed), event.grid_at
    if was_open and changed.state != "open":
        client.waiting_since = event.grid_at
