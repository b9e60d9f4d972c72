"""Whatever dies, at random: the model is the one that an undisturbed run gives."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tasks.local.federation import BEAT, COORDINATOR, site_name
from tasks.local.redis_server import NAME as REDIS
from tests.integration.fleet import Fleet
from tests.integration.test_faults import (
    ZONES,
    all_alive,
    assert_as_if_undisturbed,
    sound_fleet,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SITES = tuple(site_name(client) for client in ZONES)
SEEDS = range(10)
ROUNDS = 30
KILLS = 7


@dataclass(frozen=True)
class Kill:
    """One accident: what dies, and how long after the one before, in wall seconds."""

    after_s: float
    victim: str
    how: str


HOWS = {
    **dict.fromkeys(SITES, ("all", "parent", "child")),
    COORDINATOR: ("all", "parent", "child"),
    BEAT: ("all",),
    REDIS: ("all", "flush"),
}


def schedule(seed: int) -> list[Kill]:
    """Return the accidents of a seed, always the same ones.

    A site dies twice at most: after its third death on one assignment it would answer *failed*.
    """
    draw, kills = random.Random(seed), list[Kill]()
    for _ in range(KILLS):
        dead_twice = {site for site in SITES if sum(site == kill.victim for kill in kills) == 2}
        kinds = [
            (victim, how)
            for victim, hows in HOWS.items() if victim not in dead_twice
            for how in hows
        ]  # fmt: skip
        kills.append(Kill(round(draw.uniform(0.5, 2.5), 1), *draw.choice(kinds)))
    return kills


def happen(fleet: Fleet, kill: Kill) -> None:
    """Let an accident happen. What has died is started again; a child its parent replaces."""
    match kill.how:
        case "flush":
            fleet.redis.flushall()
        case "child":
            for child in fleet.children(kill.victim):
                child.kill()
        case "parent":
            os.kill(fleet.local.processes.pid(kill.victim), signal.SIGKILL)
            time.sleep(0.5)  # its child may go on for a while
            fleet.local.processes.restart(kill.victim)
        case _:
            fleet.local.processes.restart(kill.victim)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with sound_fleet(tmp_path_factory.mktemp("kills"), FAIRWIND_MAX_ATTEMPTS="100") as fleet:
        yield fleet


@pytest.fixture
def fleet(started: Fleet, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    return all_alive(started, monkeypatch)


def test_every_kind_of_accident_happens_in_some_seed():
    happened = {(kill.victim, kill.how) for seed in SEEDS for kill in schedule(seed)}
    assert happened == {(victim, how) for victim, hows in HOWS.items() for how in hows}


@pytest.mark.parametrize("seed", SEEDS)
def test_accidents_at_random_leave_no_trace_in_the_model(seed, fleet, tmp_path):
    run = f"seed-{seed}"
    # In every other run sites remember most of what they trained until it has been sent.
    update = "topk:0.05" if seed % 2 else "float32"
    fleet.start_run(run, rounds=ROUNDS, quorum=len(ZONES), update=update, bias="realised")
    for kill in schedule(seed):
        sys.stdout.write(f"{kill}\n")
        time.sleep(kill.after_s)
        happen(fleet, kill)
    assert_as_if_undisturbed(fleet, run, tmp_path)
