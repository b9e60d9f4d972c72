"""A gate becomes an event when its state or its reason changes, and once a day."""

from dataclasses import replace
from datetime import timedelta

import pytest

from common.messages import Heartbeat
from scheduler.federation.client import Client
from scheduler.gate.gate import Gate
from scheduler.rounds.observations import gate_events, heartbeat_events
from tests.unit.scheduler.story import HOUR, NOON

BEFORE = Gate("closed", NOON - HOUR, "above_threshold", {"intensity_gco2eq_per_kwh": 300.0})


def news(now: Gate, *, before: Gate | None = BEFORE, recorded_ago: timedelta | None = HOUR):
    recorded_at = None if recorded_ago is None else NOON - recorded_ago
    clients = {"a": Client("a", "FR", gate=before, gate_recorded_at=recorded_at)}
    return [(draft.client, draft.payload) for draft in gate_events(clients, {"a": now}, NOON)]


def heartbeats(client: Client, *, paused: bool) -> list[str]:
    """Return which events a heartbeat of a client's worker makes."""
    beat = Heartbeat(
        client="a", incarnation="i1", host="h", pid=1, at=NOON, ready=True, paused=paused
    )
    return [draft.kind for draft in heartbeat_events({"a": client}, {"a": beat})]


def test_a_pause_is_an_event_when_it_begins_and_when_it_ends():
    client = Client("a", "FR", incarnation="i1", alive=True)
    assert heartbeats(client, paused=False) == []
    assert heartbeats(client, paused=True) == ["client.paused"]
    resting = replace(client, paused=True)
    assert heartbeats(resting, paused=True) == []
    assert heartbeats(resting, paused=False) == ["client.resumed"]
    assert heartbeats(Client("a", "FR"), paused=True) == ["client.joined", "client.paused"]


def test_another_intensity_alone_is_no_event():
    assert news(BEFORE.seeing(310.0)) == []


@pytest.mark.parametrize(
    "now", [replace(BEFORE, reason="above_ceiling"), replace(BEFORE, state="open", since=NOON)]
)
def test_another_state_or_reason_is_an_event(now):
    assert news(now) == [("a", now.to_payload())]


def test_a_first_gate_is_an_event():
    assert news(BEFORE, before=None, recorded_ago=None) == [("a", BEFORE.to_payload())]


def test_a_gate_is_recorded_once_a_day():
    assert news(BEFORE, recorded_ago=timedelta(hours=23)) == []
    assert news(BEFORE, recorded_ago=timedelta(days=1)) == [("a", BEFORE.to_payload())]
