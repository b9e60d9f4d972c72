"""Beat sends what is due whatever the wall clock shows, and keeps no file."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import redis

from common import settings
from common.envelope import COORDINATOR, Signer
from common.errors import FederationError
from common.identity import Identity
from common.settings import Settings
from tasks.app import app
from tasks.messaging.beat_scheduler import BeatScheduler
from tasks.messaging.drivers import BEAT_SIGN, KEPT_MS, Sign, sign_key
from tasks.messaging.sole_sign import SoleSign


class Clock:
    """Monotonic seconds, as a test wants them."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def taken(client: redis.Redis) -> Counter[str]:
    """Take all tasks from the coordinator's queue, and count them."""
    messages = client.lrange("coordinator", 0, -1)
    client.delete("coordinator")
    return Counter(json.loads(message)["headers"]["task"] for message in messages)


@pytest.mark.parametrize("hours", [-72, -2, 2, 72])
def test_a_wall_clock_that_is_set_changes_nothing(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hours: int
) -> None:
    monkeypatch.chdir(tmp_path)
    clock = Clock()
    beat = BeatScheduler(app, clock=clock)
    connection = app.connection_for_write(settings.load().redis_url)
    monkeypatch.setattr(beat, "connection", connection)
    period_s = settings.load().tick_s

    def passed() -> Counter[str]:
        clock.now_s += period_s
        left_s = beat.tick()
        assert 0 < left_s <= period_s
        return taken(redis_client)

    assert passed()["tick"] == 1
    now = app.now

    def set_clock() -> datetime:
        return now() + timedelta(hours=hours)

    monkeypatch.setattr(app, "now", set_clock)
    redis_client.delete(sign_key(BEAT_SIGN))
    assert [passed()["tick"] for _ in range(3)] == [1, 1, 1]
    assert redis_client.exists(sign_key(BEAT_SIGN))
    beat.close()
    assert list(tmp_path.iterdir()) == []


# --- one beat ---------------------------------------------------------------------------------


@pytest.fixture
def ours(redis_client: redis.Redis) -> Settings:
    """Settings under which signs grow old within a second."""
    return settings.load().model_copy(update={"heartbeat_s": 0.2, "silent_after_s": 0.6})


def leave_sign(client: redis.Redis, *, host: str = "elsewhere", pid: int = 7) -> None:
    sign = Sign(host=host, pid=pid, incarnation="another")
    client.set(sign_key(BEAT_SIGN), sign.model_dump_json(), px=KEPT_MS)


def test_the_first_beat_takes_the_place_and_signs(redis_client: redis.Redis, ours: Settings):
    SoleSign(redis_client, BEAT_SIGN, ours).claim()
    assert redis_client.pttl(sign_key(BEAT_SIGN)) > KEPT_MS - 60_000


def test_a_second_beat_is_refused_while_the_first_runs(redis_client: redis.Redis, ours: Settings):
    runs = threading.Event()

    def first() -> None:
        while not runs.wait(0.05):
            leave_sign(redis_client)

    leave_sign(redis_client)
    thread = threading.Thread(target=first)
    thread.start()
    try:
        with pytest.raises(FederationError, match=r"beat runs already \(process 7 on elsewhere\)"):
            SoleSign(redis_client, BEAT_SIGN, ours).claim()
    finally:
        runs.set()
        thread.join()


def test_a_sign_that_a_stranger_leaves_again_and_again_ends_no_beat(
    redis_client: redis.Redis, ours: Settings
):
    clock, signer = Clock(), Signer(COORDINATOR, Identity.make())
    sign = SoleSign(redis_client, BEAT_SIGN, ours, signer=signer, now_s=clock)
    leave_sign(redis_client)
    sign.claim()
    for _ in range(5):
        clock.now_s += ours.heartbeat_s
        leave_sign(redis_client)
        sign.renew()
        assert b"another" not in (redis_client.get(sign_key(BEAT_SIGN)) or b"")
    other = SoleSign(redis_client, BEAT_SIGN, ours, signer=signer, now_s=clock)
    other._sign()  # one with the same key
    clock.now_s += ours.heartbeat_s
    sign.renew()
    other._sign()
    clock.now_s += ours.heartbeat_s
    with pytest.raises(FederationError, match="has taken the place of this one"):
        sign.renew()


@pytest.mark.parametrize(
    "left", [{"host": "elsewhere"}, {"host": socket.gethostname(), "pid": 2**22 + 1}]
)
def test_a_beat_that_is_gone_is_replaced(redis_client: redis.Redis, ours: Settings, left):
    leave_sign(redis_client, **left)
    SoleSign(redis_client, BEAT_SIGN, ours).claim()
    assert b"another" not in (redis_client.get(sign_key(BEAT_SIGN)) or b"")


def test_a_beat_whose_place_was_taken_ends_and_one_that_redis_forgot_does_not(
    redis_client: redis.Redis, ours: Settings
):
    clock = Clock()
    sign = SoleSign(redis_client, BEAT_SIGN, ours, now_s=clock)

    def renew() -> None:
        clock.now_s += ours.heartbeat_s
        sign.renew()

    sign.claim()
    renew()
    leave_sign(redis_client)  # as a Redis has it that lost its last seconds: it is not renewed
    renew()
    redis_client.pexpire(sign_key(BEAT_SIGN), KEPT_MS - 1000)
    renew()
    assert b"another" not in (redis_client.get(sign_key(BEAT_SIGN)) or b"")
    leave_sign(redis_client)
    renew()
    leave_sign(redis_client)
    with pytest.raises(FederationError, match="has taken the place of this one"):
        renew()
