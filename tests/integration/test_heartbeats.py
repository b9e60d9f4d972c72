"""One worker a client: the living is not displaced, the dead at once, the lost when it expires."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import redis

from common.clock import wall_now
from common.errors import FederationError
from common.messages import Heartbeat
from common.settings import Settings
from tasks.messaging.heartbeats import (
    HeartbeatSender,
    clock_ahead_s,
    heartbeat_key,
    read_arrivals,
    read_heartbeats,
)

HERE = socket.gethostname()


def sender(client: redis.Redis, name: str = "a", silent_after_s: float = 20.0) -> HeartbeatSender:
    return HeartbeatSender(client, Settings(silent_after_s=silent_after_s), name)


def beat(*, host: str = HERE, pid: int = 1, incarnation: str = "other") -> str:
    """Return what another process's worker says of itself now."""
    said = Heartbeat(client="a", incarnation=incarnation, host=host, pid=pid, at=wall_now())
    return said.model_dump_json()


@contextmanager
def living(client: redis.Redis, *, host: str = HERE, pid: int) -> Iterator[None]:
    """Let another worker of client a renew its heartbeat every 50 ms."""
    stop = threading.Event()

    def renew() -> None:
        while not stop.is_set():
            client.set(heartbeat_key("a"), beat(host=host, pid=pid), ex=20)
            stop.wait(0.05)

    thread = threading.Thread(target=renew)
    thread.start()
    while not client.exists(heartbeat_key("a")):
        time.sleep(0.005)
    try:
        yield
    finally:
        stop.set()
        thread.join()


def ended_process() -> int:
    """Return the number of a process that has just ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_the_first_worker_takes_the_place(redis_client):
    worker = sender(redis_client)
    worker.claim()
    worker.renew(None)
    seen = read_heartbeats(redis_client, ["a", "b"], keys=None)
    assert set(seen) == {"a"}
    assert seen["a"].incarnation == worker.incarnation
    assert (seen["a"].host, seen["a"].pid, seen["a"].busy) == (HERE, os.getpid(), None)


@pytest.mark.parametrize("ahead_s", [-7200.0, 0.0, 86_400.0])
def test_a_worker_measures_by_how_much_its_clock_differs_from_that_of_redis(redis_client, ahead_s):
    ahead = timedelta(seconds=ahead_s)
    worker = HeartbeatSender(redis_client, Settings(), "a", now=lambda: wall_now() + ahead)
    worker.claim()
    worker.renew(None)
    assert worker.clock_ahead_s == pytest.approx(ahead_s, abs=5.0)
    said = read_heartbeats(redis_client, ["a"], keys=None)["a"].clock_ahead_s
    assert said == pytest.approx(ahead_s, abs=5.0)
    assert clock_ahead_s(redis_client) == pytest.approx(0.0, abs=5.0)


@pytest.mark.parametrize("ahead_s", [-7200.0, 0.0, 7200.0])
@pytest.mark.parametrize("silent_after_s", [8.0, 20.0])
def test_how_long_ago_a_heartbeat_arrived_follows_from_redis_alone(
    redis_client, ahead_s, silent_after_s
):
    ahead = timedelta(seconds=ahead_s)
    worker = HeartbeatSender(
        redis_client, Settings(silent_after_s=silent_after_s), "a", now=lambda: wall_now() + ahead
    )
    worker.claim()
    worker.renew("r/1")
    # As if seven seconds had passed.
    redis_client.pexpire(heartbeat_key("a"), round((silent_after_s - 7) * 1000))
    seen = read_arrivals(redis_client, ["a", "b"], keys=None)
    assert set(seen) == {"a"}
    heartbeat, age_s = seen["a"]
    assert heartbeat.busy == "r/1"
    assert 7 <= age_s <= silent_after_s
    assert read_arrivals(redis_client, [], keys=None) == {}


@pytest.mark.parametrize("host", [HERE, "elsewhere"])
def test_a_second_worker_of_the_same_client_is_refused_with_one_clear_line(redis_client, host):
    pid = os.getppid()
    second = sender(redis_client)
    with living(redis_client, host=host, pid=pid), pytest.raises(FederationError) as caught:
        second.claim()
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"Client a already has a worker (process {pid} on {host}), so this one")
    assert "Stop the other first" in text


def test_a_refused_worker_leaves_the_other_in_its_place(redis_client):
    with living(redis_client, pid=os.getppid()):
        second = sender(redis_client)
        with pytest.raises(FederationError):
            second.claim()
        second.leave()
        assert read_heartbeats(redis_client, ["a"], keys=None)["a"].incarnation == "other"


def test_a_predecessor_that_died_on_this_host_is_replaced_at_once(redis_client):
    redis_client.set(heartbeat_key("a"), beat(pid=ended_process()))
    # Were it waited for, this would take two days, and then fail.
    worker = sender(redis_client, silent_after_s=86_400)
    worker.claim()
    worker.renew(None)
    assert read_heartbeats(redis_client, ["a"], keys=None)["a"].incarnation == worker.incarnation


def test_a_predecessor_that_died_elsewhere_is_replaced_when_it_expires(redis_client):
    worker = sender(redis_client)
    begun = time.monotonic()
    redis_client.set(heartbeat_key("a"), beat(host="elsewhere"), px=600)
    worker.claim()
    assert time.monotonic() - begun > 0.4
    worker.renew(None)
    assert read_heartbeats(redis_client, ["a"], keys=None)["a"].incarnation == worker.incarnation


def test_a_holder_that_neither_speaks_nor_expires_is_not_displaced(redis_client):
    redis_client.set(heartbeat_key("a"), beat(host="elsewhere"))
    worker = sender(redis_client, silent_after_s=1.0)
    begun = time.monotonic()
    with pytest.raises(FederationError):
        worker.claim()
    assert time.monotonic() - begun > 1.5


def test_a_place_taken_by_nonsense_is_free(redis_client):
    redis_client.set(heartbeat_key("a"), b"\xff not a heartbeat", ex=20)
    sender(redis_client).claim()
    assert Heartbeat.model_validate_json(redis_client.get(heartbeat_key("a"))).pid == os.getpid()


def test_a_heartbeat_lasts_if_it_is_renewed(redis_client):
    worker = sender(redis_client, silent_after_s=60.0)
    worker.claim()
    assert 0 < redis_client.pttl(heartbeat_key("a")) <= 60_000
    redis_client.pexpire(heartbeat_key("a"), 30_000)  # as if half of its time was over
    worker.renew(None)
    assert redis_client.pttl(heartbeat_key("a")) > 30_000
    assert read_heartbeats(redis_client, ["a"], keys=None)


def test_a_heartbeat_expires_unless_it_is_renewed(redis_client):
    worker = sender(redis_client, silent_after_s=1.0)
    worker.renew(None)
    assert redis_client.pttl(heartbeat_key("a")) <= 1000
    until = time.monotonic() + 10
    while read_heartbeats(redis_client, ["a"], keys=None) and time.monotonic() < until:
        time.sleep(0.05)
    assert read_heartbeats(redis_client, ["a"], keys=None) == {}


def test_a_heartbeat_says_what_the_worker_does_and_when(redis_client):
    worker = sender(redis_client)
    worker.renew("r/3")
    first = read_heartbeats(redis_client, ["a"], keys=None)["a"]
    worker.renew(None)
    second = read_heartbeats(redis_client, ["a"], keys=None)["a"]
    assert (first.busy, second.busy) == ("r/3", None)
    assert second.at > first.at
    assert second.incarnation == first.incarnation


def test_a_worker_that_still_loads_is_not_ready_for_work(redis_client):
    sender(redis_client).claim()
    assert read_heartbeats(redis_client, ["a"], keys=None) == {}


def test_every_start_is_another_incarnation(redis_client):
    assert sender(redis_client).incarnation != sender(redis_client).incarnation


def test_who_leaves_is_gone_at_once(redis_client):
    worker = sender(redis_client)
    worker.renew(None)
    worker.leave()
    assert not redis_client.exists(heartbeat_key("a"))
    worker.leave()


def test_clients_do_not_stand_in_for_each_other(redis_client):
    sender(redis_client, "a").claim()
    sender(redis_client, "b").claim()
    # One site's worker cannot pass for another's by what it writes under its own key.
    redis_client.set(heartbeat_key("b"), beat(), ex=20)
    assert "b" not in read_heartbeats(redis_client, ["a", "b"], keys=None)


def test_nobody_asked_for_is_nobody(redis_client):
    assert read_heartbeats(redis_client, [], keys=None) == {}
