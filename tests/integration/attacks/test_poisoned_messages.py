"""Whatever is put on a queue or a channel: nothing ends, nothing waits for ever, all is counted."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tasks.local.federation import BEAT, COORDINATOR, site_name
from tasks.messaging.refusals import Refusals, refusals_file
from tasks.roles import site_key_file
from tests.integration.attacks.poison import POISON, encoded, message, raw
from tests.integration.fleet import Fleet, assert_accounted_for

PROCESSES = (COORDINATOR, BEAT, site_name("north"), site_name("west"), site_name("odd"))

QUEUES = ("coordinator", "aggregation", "client.north")


@pytest.fixture(scope="module")
def same_processes(fleet: Fleet) -> Iterator[Fleet]:
    """The fleet, in which every process and every child is the same afterwards."""
    before = pids(fleet)
    yield fleet
    fleet.local.processes.check()
    assert pids(fleet) == before


def pids(fleet: Fleet) -> dict[str, list[int]]:
    workers = {name: [child.pid for child in fleet.children(name)] for name in PROCESSES}
    return {name: [fleet.local.processes.pid(name), *found] for name, found in workers.items()}


def refused(fleet: Fleet, queue: str, code: str) -> int:
    """Return how many messages of a kind were counted where the queue is served."""
    sites = fleet.local.folder / "sites"
    site = queue.removeprefix("client.")
    folder = fleet.home if site == queue else site_key_file(sites / site, site).parent
    found = Refusals(refusals_file(folder)).read()
    return sum(each.times for each in found if (each.task, each.code) == (queue, code))


@pytest.mark.parametrize("name", POISON)
def test_poison_on_the_queues_is_dropped_and_logged(name: str, same_processes: Fleet) -> None:
    fleet, (poison, code) = same_processes, POISON[name]
    for queue in QUEUES:
        arrived = raw(poison)
        if queue.startswith("client."):
            arrived = arrived.replace(b'"task": "accept"', b'"task": "train"')
        fleet.redis.lpush(queue, arrived)
    fleet.wait(lambda: not any(map(fleet.redis.llen, QUEUES)), f"{name} to be taken")
    for queue in QUEUES:
        # The same kind is written once a minute; which of them it was does not matter.
        fleet.wait(lambda queue=queue: refused(fleet, queue, code), f"a refusal in {queue}")  # type: ignore[misc]


def test_every_refusal_is_one_line_and_moves_no_cursor(same_processes: Fleet) -> None:
    fleet = same_processes
    for name in (COORDINATOR, site_name("north")):
        log = fleet.log(name)
        assert "Traceback" not in log
        assert "\x1b" not in log
        assert any("code=callback " in f"{line} " for line in log.splitlines())
    assert not fleet.redis.keys("fairwind:unacked*")
    assert not fleet.redis.keys("unacked*")
    shown = json.loads(fleet.local.fairwind("status", "--json").stdout)
    assert "callback" in {each["code"] for each in shown["refused"]}


CONTROL = {
    "three_bytes": b"123",
    "garbage": b"\xff\xfe{",
    "null": b"null",
    "deep": b"[" * 100_000,
    "no_body": b"{}",
    "shutdown": raw({**message(), "body": encoded({"method": "shutdown", "arguments": {}})}),
    "add_consumer": raw(
        {
            **message(),
            "body": encoded({"method": "add_consumer", "arguments": {"queue": "client.west"}}),
        }
    ),
    "event_without_a_type": raw({**message(), "body": encoded([{"hostname": "x"}])}),
    "event_of_numbers": raw({**message(), "body": encoded([1, 2])}),
}


@pytest.mark.parametrize("name", CONTROL)
def test_what_is_published_ends_nobody(name: str, same_processes: Fleet) -> None:
    for channel in ("/0.celery.pidbox", "/0.celeryev/worker.heartbeat", "/0.celeryev/task.multi"):
        same_processes.redis.publish(channel, CONTROL[name])
    same_processes.local.processes.check()


def test_no_worker_listens_to_remote_control(same_processes: Fleet) -> None:
    assert same_processes.redis.pubsub_numpat() == 0
    assert same_processes.redis.pubsub_channels() == []


def test_a_flood_of_ticks_is_one_tick(same_processes: Fleet) -> None:
    fleet = same_processes
    ran = fleet.log(COORDINATOR).count("Task tick")
    for _ in range(50):
        fleet.redis.lpush("coordinator", *[raw(message("tick", args=()))] * 100)
    fleet.wait(lambda: not fleet.redis.llen("coordinator"), "the flood to be taken")
    assert fleet.log(COORDINATOR).count("Task tick") - ran < 2000


def test_a_round_closes_after_all_that(same_processes: Fleet) -> None:
    fleet = same_processes
    fleet.start_run("after-poison", rounds=2)
    ended = fleet.wait_ended("after-poison")
    assert [closed.cohort for closed in ended.closed] == [("north", "odd", "west")] * 2
    assert_accounted_for(fleet, "after-poison")
