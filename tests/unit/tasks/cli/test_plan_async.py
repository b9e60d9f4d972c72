"""`fairwind plan` of an asynchronous run: who would train now, and which versions are expected."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from common import settings
from common.clock import wall_now
from scheduler.ledger.events import ClientEnrolled, ClientJoined
from tasks.cli import fairwind
from tests.unit.scheduler.rounds.memory_world import MemoryWorld
from tests.unit.scheduler.rounds.test_async import MINUTE, latencies, world_of
from tests.unit.scheduler.story import NOON
from tests.unit.tasks.cli.ledger_home import write


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))
    monkeypatch.setenv("FAIRWIND_SIGNAL", "static")
    monkeypatch.setenv("FAIRWIND_STATIC_GCO2EQ_PER_KWH", '{"FR": 100}')
    # Clients start at minutes of their own: late in the hour all may.
    monkeypatch.setenv("FAIRWIND_GRID_START", (NOON + 58 * MINUTE).isoformat())
    monkeypatch.setenv("FAIRWIND_WALL_START", wall_now().isoformat())
    settings.load.cache_clear()
    yield tmp_path
    settings.load.cache_clear()


def call(*words: str) -> str:
    done = CliRunner().invoke(fairwind, ["plan", *words])
    assert done.exit_code == 0, done.output
    return done.output


def begun(*, concurrency: int) -> MemoryWorld:
    """Return a world in which a and b have made two versions, and c still trains."""
    world = world_of("a", "b", "c", rounds=6, concurrency=concurrency)
    latencies(world, a=60, b=90, c=600)
    world.play(4 * MINUTE)
    return world


def test_a_run_that_has_all_out_invites_no_more(home: Path) -> None:
    world = world_of("a", "b", "c", "d", rounds=6, concurrency=3)
    world.engine.advance()
    write(home, world)
    assert "No more clients are invited now: 3 train, as many as the run lets." in call()


def test_a_client_that_is_free_would_join_those_that_train(home: Path) -> None:
    world = begun(concurrency=4)
    world.happen(ClientEnrolled(zone="FR", num_examples=10), client="d")
    world.happen(ClientJoined(incarnation="i1", host="h", pid=1), client="d")
    world.engine.observe()  # its gate opens
    write(home, world)
    assert "Clients invited now would train at d." in call()
    rows = {row["client"]: row["invited"] for row in json.loads(call("--json"))["verdicts"]}
    assert rows == {"a": False, "b": False, "c": False, "d": True}


def test_versions_to_come_are_listed_with_those_who_make_them(home: Path) -> None:
    world = begun(concurrency=3)
    write(home, world)
    done = len(world.run().closed)
    rounds = json.loads(call("--horizon", "12", "--json"))["rounds"]
    assert [each["round"] for each in rounds] == list(range(done + 1, 7))
    assert rounds[0]["running"]
    assert all(len(each["cohort"]) == 2 for each in rounds)
    assert {name for each in rounds for name in each["cohort"]} == {"a", "b", "c"}
    drawn = call("--horizon", "12")
    assert "2 in FR" in drawn
    assert f"{len(rounds)} rounds of r expected" in drawn
