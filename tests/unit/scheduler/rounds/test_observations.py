"""A gate becomes an event when its state or its reason changes, and once a day."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError

from common.messages import Heartbeat
from scheduler.federation.client import Client
from scheduler.gate.gate import Gate
from scheduler.ledger.events import ClientClockCompared, ClientIdleStated, ClientPolicyChanged
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


def clocks(client: Client, ahead_s: float | None, *, own_s: float = 0.0) -> list[float]:
    """Return which differences of clocks a heartbeat makes known."""
    beat = Heartbeat(client="a", incarnation="i1", host="h", pid=1, at=NOON, clock_ahead_s=ahead_s)
    drafts = heartbeat_events({"a": client}, {"a": beat}, clock_ahead_s=own_s)
    return [d.payload.ahead_s for d in drafts if isinstance(d.payload, ClientClockCompared)]


def policies(client: Client, version: str | None) -> list[str | None]:
    """Return which versions of a site policy a heartbeat makes known."""
    beat = Heartbeat(client="a", incarnation="i1", host="h", pid=1, at=NOON, policy=version)
    drafts = heartbeat_events({"a": client}, {"a": beat})
    return [d.payload.version for d in drafts if isinstance(d.payload, ClientPolicyChanged)]


def watts(client: Client, idle_w: float | None) -> list[float | None]:
    """Return which idle watts a heartbeat makes known."""
    beat = Heartbeat(client="a", incarnation="i1", host="h", pid=1, at=NOON, idle_w=idle_w)
    drafts = heartbeat_events({"a": client}, {"a": beat})
    return [d.payload.idle_w for d in drafts if isinstance(d.payload, ClientIdleStated)]


def test_idle_watts_are_an_event_when_a_site_states_others():
    client = Client("a", "FR", incarnation="i1", alive=True)
    assert watts(client, None) == []
    assert watts(client, 60.0) == [60.0]
    known = replace(client, idle_w=60.0)
    assert watts(known, 60.0) == []
    assert watts(known, None) == [None]


@pytest.mark.parametrize("idle_w", [0.0, -1.0, 1e6, float("inf"), float("nan")])
def test_a_heartbeat_with_impossible_idle_watts_is_refused(idle_w):
    with pytest.raises(ValidationError):
        Heartbeat(client="a", incarnation="i1", host="h", pid=1, at=NOON, idle_w=idle_w)


def test_a_clock_is_an_event_when_it_begins_to_differ_and_when_it_is_right_again():
    client = Client("a", "FR", incarnation="i1", alive=True)
    assert clocks(client, None) == clocks(client, 3.0) == clocks(client, -29.0) == []
    assert clocks(client, -7200.0) == [-7200.0]
    slow = replace(client, clock_ahead_s=-7200.0)
    assert clocks(slow, -7204.0) == []
    assert clocks(slow, -3600.0) == [-3600.0]
    assert clocks(slow, 1.5) == [0.0]


def test_a_clock_is_compared_to_the_coordinators_whatever_the_one_of_redis_shows():
    client = Client("a", "FR", incarnation="i1", alive=True)
    assert clocks(client, -7200.0, own_s=-7201.0) == []
    assert clocks(client, 0.0, own_s=3600.0) == [-3600.0]


def test_a_pause_is_an_event_when_it_begins_and_when_it_ends():
    client = Client("a", "FR", incarnation="i1", alive=True)
    assert heartbeats(client, paused=False) == []
    assert heartbeats(client, paused=True) == ["client.paused"]
    resting = replace(client, paused=True)
    assert heartbeats(resting, paused=True) == []
    assert heartbeats(resting, paused=False) == ["client.resumed"]
    assert heartbeats(Client("a", "FR"), paused=True) == ["client.joined", "client.paused"]


def test_another_site_policy_is_an_event_and_the_same_is_none():
    client = Client("a", "FR", incarnation="i1", alive=True)
    assert policies(client, None) == []
    assert policies(client, "0" * 12) == ["0" * 12]
    known = replace(client, policy="0" * 12)
    assert policies(known, "0" * 12) == []
    assert policies(known, "1" * 12) == ["1" * 12]
    assert policies(known, None) == [None]


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
