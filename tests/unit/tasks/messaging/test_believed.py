"""Heartbeats are believed if their site signed them; one that is displaced is remembered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from common.envelope import COORDINATOR, About, Signer
from common.identity import Identity
from common.messages import Heartbeat
from tasks.messaging.believed import Believer

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
A = Signer("client.a", Identity.make())
KEYS = {"a": A.identity.public.text}


class World:
    """A believer, and what its monotonic clock shows."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.believer = Believer(lambda: self.now_s)

    def busy(self, value: bytes | None) -> str | None:
        beat = self.believer.believe("a", value, KEYS)
        return None if beat is None else beat.busy


@pytest.fixture
def world() -> World:
    return World()


def beat(busy: str, *, at_s: float = 0, client: str = "a", by: Signer = A) -> bytes:
    at = NOON + timedelta(seconds=at_s)
    said = Heartbeat(client=client, incarnation="i", host="h", pid=1, at=at, busy=busy, kept_s=20)
    sealed = by.seal("heartbeat", COORDINATOR, said, about=About(), now=at)
    return sealed.model_dump_json().encode()


def test_what_the_site_signed_is_believed(world):
    assert world.busy(beat("r/1")) == "r/1"
    assert world.busy(None) is None


@pytest.mark.parametrize(
    "value",
    [
        b"\xff",
        b"[" * 100_000,
        b"{}",
        Heartbeat(client="a", incarnation="i", host="h", pid=1, at=NOON).model_dump_json().encode(),
        beat("r/1", by=Signer("client.a", Identity.make())),
        beat("r/1", by=Signer("client.b", A.identity)),
        beat("r/1", client="b"),
    ],
)
def test_nothing_else_is_believed_nor_makes_a_client_seem_dead(world, value):
    assert world.busy(value) is None
    world.busy(beat("r/1"))
    with capture_logs() as logs:
        assert world.busy(value) == world.busy(value) == "r/1"
    assert [line["event"] for line in logs] == ["message.refused"]  # one line, not one a look
    world.now_s = 20.1  # by when the displaced heartbeat would have expired
    assert world.busy(value) is None


def test_an_older_heartbeat_is_no_news(world):
    old = beat("r/1")
    world.busy(old)
    world.busy(beat("r/2", at_s=5))
    with capture_logs() as logs:
        assert world.busy(old) == "r/2"
    assert logs[0]["reason"] == "it is an older one"


def test_a_heartbeat_that_somebody_keeps_alive_is_over_when_it_would_have_expired(world):
    kept = beat("r/1")
    assert world.busy(kept) == "r/1"
    world.now_s = 20.1
    assert world.busy(kept) is None
    assert world.busy(beat("r/1", at_s=20.1)) == "r/1"


def test_a_site_whose_clock_was_set_back_is_believed_again(world):
    world.busy(beat("r/1", at_s=7200))
    world.now_s = 20.1
    assert world.busy(beat("r/2", at_s=20)) == "r/2"


def test_a_client_without_a_key_has_no_heartbeat_where_messages_are_signed(world):
    assert world.believer.believe("a", beat("r/1"), {}) is None
    assert world.believer.believe("a", beat("r/1"), None) is not None
