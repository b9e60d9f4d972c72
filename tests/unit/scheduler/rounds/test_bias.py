"""Bias of asynchronous runs: fast clients give more updates, and may not own the model for that.

Two clients minimise (x - 0)² and (x - 1)²; the first is ten times as fast. The truth is 0.5, and
without any correction the model is the share of the slow one in the updates, 1 in 11.
"""

from __future__ import annotations

import itertools
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from scheduler.federation.applied_weight import shares
from tests.unit.scheduler.rounds.memory_world import MemoryWorld
from tests.unit.scheduler.rounds.quadratics import Quadratics

OPTIMA = {"fast": 0.0, "slow": 1.0}


@cache
def reached(bias: str, rounds: int = 700) -> float:
    """Return the mean of the last versions, over a few turns of the slow client."""
    learning = Quadratics(OPTIMA, step=0.1, start=0.2)
    world = MemoryWorld(*OPTIMA, learning=learning)
    clients = world.history.state.clients
    clients["fast"].latency_s, clients["slow"].latency_s = 60.0, 600.0
    asked: dict[str, Any] = {
        "mode": "async", "buffer": 1, "concurrency": 2, "max_staleness": 100, "bias": bias,
        "rounds": rounds, "deadline_s": 1e5,
    }  # fmt: skip
    world.start(**asked)
    world.engine.advance()
    while world.run().ended_at is None:
        for client, latency_s in (("fast", 60.0), ("slow", 600.0)):
            clients[client].latency_s = latency_s  # jitter would be the average's
        world.play_one()
    made = [learning.values[closed.version] for closed in itertools.islice(
        reversed(list(world.run().closed)), 110
    )]  # fmt: skip
    return sum(made) / len(made)


def test_without_a_correction_the_model_leans_to_the_fast_client_and_staleness_makes_it_worse():
    # Below the 1 in 11 of the updates: those of the slow one are ten versions old.
    assert reached("none") < 0.06


def test_the_mean_of_the_latest_models_is_where_both_agree():
    assert reached("memory") == pytest.approx(0.5, abs=0.02)


def test_capped_weights_go_part_of_the_way():
    assert reached("none") * 3 < reached("capped") < 0.5


def test_a_memory_is_of_the_latest_update_of_each_client_that_is_not_in_the_buffer():
    world = MemoryWorld("a", "b", "slow")
    world.start(mode="async", buffer=2, concurrency=3, rounds=5, bias="memory")
    world.history.state.clients["slow"].latency_s = 150.0
    world.play(timedelta(hours=1))
    closed = world.run().closed
    assert all(each.divisor is None for each in closed)
    for each in closed:
        held = [line.client for line in (*each.manifest, *each.latest)]
        assert len(held) == len(set(held))
    assert {line.client for line in (*closed[-1].manifest, *closed[-1].latest)} == {
        "a", "b", "slow",
    }  # fmt: skip
    # Each client counts once, as much as its examples: however old its model is.
    assert {line.weight for line in closed[-1].manifest} == {10}


@pytest.mark.parametrize(
    ("bias", "expected"),
    [
        # Versions are made of fast and slow, fast and slow: each weighs a half, while fresh.
        ("none", {"fast": 0.5, "slow": 0.5}),
        # Three to one by their examples, whoever answers.
        ("memory", {"fast": 0.75, "slow": 0.25}),
    ],
)
def test_the_share_of_a_client_is_what_it_weighs_in_versions(
    bias: str, expected: dict[str, float]
) -> None:
    world = MemoryWorld("fast", "slow")
    clients = world.history.state.clients
    clients["fast"].num_examples = 30 if bias == "memory" else 10
    world.start(mode="async", buffer=2, concurrency=2, rounds=3, bias=bias)
    world.play()
    assert len(world.run().closed) == 3
    assert shares(world.run()) == pytest.approx(expected)
    assert list(shares(world.run())) == ["fast", "slow"]
