"""What events about clients and their gates change."""

from __future__ import annotations

from common.clock_difference import MOST_AHEAD_S
from scheduler.federation.client import Client
from scheduler.federation.federation import Federation
from scheduler.federation.fold.change import change
from scheduler.gate.gate import Gate
from scheduler.ledger.event import Event
from scheduler.ledger.events import (
    ClientClockCompared,
    ClientEnrolled,
    ClientIdleStated,
    ClientJoined,
    ClientKeyAccepted,
    ClientPaused,
    ClientPolicyChanged,
    ClientResumed,
    ClientRetired,
    ClientRevoked,
    ClientSilent,
    GateChanged,
)


@change.register
def _client_enrolled(enrolled: ClientEnrolled, event: Event, state: Federation) -> None:
    known = state.clients.get(event.client)
    client = known or Client(
        event.client, enrolled.zone, place=len(state.clients), waiting_since=event.grid_at
    )
    client.zone, client.num_examples = enrolled.zone, enrolled.num_examples
    state.has_redis_users |= enrolled.redis_password_sha256 is not None
    client.redis_password_sha256 = enrolled.redis_password_sha256 or client.redis_password_sha256
    client.key, client.retired, client.revoked = enrolled.key or client.key, False, False
    if enrolled.kit_key is not None:
        client.kit_key, client.join_before = enrolled.kit_key, enrolled.join_before
        client.kit_used = False
    state.clients[event.client] = client


@change.register
def _client_key_accepted(accepted: ClientKeyAccepted, event: Event, state: Federation) -> None:
    client = state.clients[event.client]
    client.key, client.kit_used = accepted.key, True


@change.register
def _client_revoked(_: ClientRevoked, event: Event, state: Federation) -> None:
    client = state.clients[event.client]
    client.retired, client.revoked, client.alive = True, True, False
    client.key = client.kit_key = client.redis_password_sha256 = None
    client.join_before = None
    client.kit_used = False


@change.register
def _client_retired(_: ClientRetired, event: Event, state: Federation) -> None:
    state.clients[event.client].retired = True


@change.register
def _client_joined(joined: ClientJoined, event: Event, state: Federation) -> None:
    client = state.clients[event.client]
    client.incarnation, client.host = joined.incarnation, joined.host
    client.alive, client.decline = True, None
    for run in state.active_runs():
        if problem := run.problems.get(event.client):
            run.problems[event.client] = problem.lift(event.at)


@change.register
def _client_silent(_: ClientSilent, event: Event, state: Federation) -> None:
    state.clients[event.client].alive = False


@change.register
def _client_idle_stated(stated: ClientIdleStated, event: Event, state: Federation) -> None:
    state.clients[event.client].idle_w = stated.idle_w


@change.register
def _client_clock_compared(compared: ClientClockCompared, event: Event, state: Federation) -> None:
    # A clock that is wrong by more is not compared: sums of such times have no date.
    known = abs(compared.ahead_s) <= MOST_AHEAD_S
    state.clients[event.client].clock_ahead_s = compared.ahead_s if known else 0.0


@change.register
def _client_paused(_: ClientPaused, event: Event, state: Federation) -> None:
    state.clients[event.client].paused = True


@change.register
def _client_resumed(_: ClientResumed, event: Event, state: Federation) -> None:
    state.clients[event.client].paused = False


@change.register
def _client_policy_changed(changed: ClientPolicyChanged, event: Event, state: Federation) -> None:
    client = state.clients[event.client]
    client.policy, client.decline = changed.version, None
    for run in state.active_runs():
        if (problem := run.problems.get(event.client)) and problem.kind == "decline":
            after = run.problems[event.client] = problem.lift(event.at)
            part = run.open_round.cohort.get(event.client) if run.open_round else None
            if part is not None and not after.holds(event.at):
                part.allowed_again = part.status == "declined"


@change.register
def _gate_changed(changed: GateChanged, event: Event, state: Federation) -> None:
    client = state.clients[event.client]
    was_open = client.gate is not None and client.gate.state == "open"
    client.gate, client.gate_recorded_at = Gate.from_payload(changed), event.grid_at
    if was_open and changed.state != "open":
        client.waiting_since = event.grid_at
