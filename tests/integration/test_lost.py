"""What counts as lost, and by whose fault, in a real Redis and without a worker."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from common.clock import GridClock, wall_now
from common.settings import Settings
from scheduler.carbon.grid import Grid
from scheduler.federation.opening import open_ledger
from scheduler.ledger.blobs import Blobs
from tasks.coordinator.watch import Watch
from tasks.coordinator.witness import Witness
from tasks.coordinator.work import CeleryWork
from tasks.messaging.heartbeats import HeartbeatSender
from tasks.messaging.transport import FolderTransport
from tests.unit.scheduler.rounds.memory_world import Hours
from tests.unit.scheduler.story import Story

SECOND = timedelta(seconds=1)


class Scene:
    """An assignment of client a that was issued some seconds ago, and what looks for it."""

    def __init__(self, broker: redis.Redis, folder: Path) -> None:
        self.broker, self.story = broker, Story("a")
        self.story.now = wall_now() - 5 * SECOND
        self.story.start()
        self.story.plan("a")
        clock, grid = GridClock(), Grid(Hours(FR=[100.0]))
        self.watch = Watch(Settings(), broker, clock=clock, grid=grid, histories=None)
        ledger = open_ledger(f"sqlite:///{folder / 'ledger.sqlite'}", clock)
        witness = Witness(ledger, folder / "heads", key_file=folder / "none")
        self.work = CeleryWork(
            broker, FolderTransport(folder / "shared", 600), blobs=Blobs(folder / "blobs"),
            grid=grid, clock=clock, watch=self.watch, witness=witness,
        )  # fmt: skip
        self.watch.redis_whole_since = self.story.now - 60 * SECOND

    def worker(self, ahead: timedelta = timedelta(0)) -> HeartbeatSender:
        made = HeartbeatSender(self.broker, Settings(), "a", now=lambda: wall_now() + ahead)
        made.claim()
        return made

    def lost(self) -> dict[str, Any]:
        return self.work.lost(self.story.state.runs["r"])


@pytest.fixture
def scene(redis_client: redis.Redis, tmp_path: Path) -> Scene:
    return Scene(redis_client, tmp_path)


@pytest.mark.parametrize("ahead_h", [-2, 0, 2])
def test_an_assignment_is_lost_whatever_the_clock_of_its_site_shows(scene: Scene, ahead_h: int):
    worker = scene.worker(timedelta(hours=ahead_h))
    worker.renew("r/1")
    assert scene.lost() == {}
    worker.renew(None)
    assert scene.lost() == {"a": "lost"}


@pytest.mark.parametrize("ahead_h", [-2, 0, 2])
def test_a_heartbeat_from_before_the_issue_says_nothing_of_it(scene: Scene, ahead_h: int):
    worker = scene.worker(timedelta(hours=ahead_h))
    worker.renew(None)
    scene.broker.pexpire("fairwind:client:a", 10_000)  # as if it had arrived ten seconds ago
    assert scene.lost() == {}


@pytest.mark.parametrize("queue", ["client.a", "aggregation"])
def test_what_waits_in_a_queue_is_not_lost(scene: Scene, queue: str):
    scene.worker().renew(None)
    scene.broker.lpush(queue, "a message")
    assert scene.lost() == {}
    scene.broker.delete(queue)
    assert scene.lost() == {"a": "lost"}


def test_what_an_emptied_redis_lost_is_not_lost_at_its_site(scene: Scene):
    scene.watch.news(scene.story.state)
    scene.broker.set("fairwind:whole_since", (scene.story.now - 60 * SECOND).isoformat())
    worker = scene.worker()
    worker.renew(None)
    scene.watch.news(scene.story.state)
    assert scene.lost() == {"a": "lost"}
    scene.broker.flushdb()
    worker.renew(None)
    scene.watch.news(scene.story.state)
    assert scene.lost() == {"a": "redis_failed"}


def test_what_was_lost_while_redis_took_no_writes_is_not_lost_at_its_site(scene: Scene):
    worker = scene.worker()
    worker.renew(None)
    scene.broker.set("fairwind:whole_since", (scene.story.now - 60 * SECOND).isoformat())
    scene.broker.config_set("maxmemory", 1)
    try:
        scene.watch.news(scene.story.state)
    finally:
        scene.broker.config_set("maxmemory", 0)
    scene.watch.news(scene.story.state)
    worker.renew(None)
    assert scene.lost() == {"a": "redis_failed"}
