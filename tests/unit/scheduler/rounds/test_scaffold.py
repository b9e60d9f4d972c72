"""SCAFFOLD in rounds: what a manifest says of control variates, and which of them are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any

import pytest
from pydantic import ValidationError

from common.hyperparameters import Hyperparameters
from scheduler.federation.round import Round
from scheduler.federation.run import Run
from scheduler.ledger.events import (
    ClientEnrolled,
    ClientRetired,
    ControlTerms,
    RoundCommitted,
    UpdateRefused,
)
from scheduler.rounds.scaffold import reach
from scheduler.rounds.world import NextVersion
from tests.unit.scheduler.rounds.memory_world import Learning, MemoryWorld
from tests.unit.scheduler.story import spec


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class WithControls(Learning):
    """Names control variates as rounds make them, and notes which are discarded."""

    def __init__(self) -> None:
        super().__init__(scored_here=True)
        self.discarded: list[str] = []

    def make(self, run: Run, round_: Round) -> NextVersion:
        made = super().make(run, round_)
        return NextVersion(
            made.version, None, sha(f"c{round_.number}"),
            {line.client: sha(f"{line.client}{round_.number}") for line in round_.manifest or ()},
        )  # fmt: skip

    def discard(self, names: Collection[str]) -> None:
        self.discarded += names


def play(rounds: int, **asked: Any) -> MemoryWorld:
    world = MemoryWorld("a", "b", learning=WithControls())
    world.start(rounds=rounds, algorithm="scaffold", **asked)
    world.play()
    return world


def committed(world: MemoryWorld) -> list[RoundCommitted]:
    return [e.payload for e in world.history.events if isinstance(e.payload, RoundCommitted)]


def test_each_update_counts_alike_and_its_steps_are_committed() -> None:
    world = MemoryWorld("a", "b", learning=WithControls())
    world.start(rounds=1, algorithm="scaffold")
    world.history.state.clients["a"].num_examples = 64  # two batches
    world.play()
    (found,) = committed(world)
    assert [line.weight for line in found.manifest] == [1, 1]
    assert found.controls == ControlTerms(num_clients=2, num_steps={"a": 2, "b": 1})


def test_fedavg_has_no_control_variates() -> None:
    world = MemoryWorld("a", "b")
    world.start(rounds=1)
    world.play()
    (found,) = committed(world)
    assert found.controls is None
    assert world.run().controls.names() == frozenset()


def test_the_mean_is_over_all_that_are_enrolled() -> None:
    world = MemoryWorld("a", "b", learning=WithControls())
    world.happen(ClientEnrolled(zone="FR", num_examples=10), client="away")
    world.start(rounds=2, algorithm="scaffold", quorum=2)
    world.play()
    assert {found.controls and found.controls.num_clients for found in committed(world)} == {3}
    assert world.run().controls.clients == {"a": sha("a2"), "b": sha("b2")}


def test_a_client_that_is_retired_counts_no_more() -> None:
    world = MemoryWorld("a", "b", "c", learning=WithControls())
    world.start(rounds=3, algorithm="scaffold")
    world.engine.advance()
    while len(world.run().closed) < 1:
        world.play_one()
    world.happen(ClientRetired(), client="c")  # while it trains: its update still counts
    world.play()
    controls = [found.controls for found in committed(world)]
    assert [terms and terms.num_clients for terms in controls] == [3, 3, 2]
    assert [terms and terms.left for terms in controls] == [(), (), ("c",)]
    assert set(world.run().controls.clients) == {"a", "b"}


def test_control_variates_are_discarded_a_round_after_they_were_replaced() -> None:
    world = play(4)
    learning = world.learning
    assert isinstance(learning, WithControls)
    # round 2 replaces those of round 1, and is still safe from a process that is behind
    gone = {sha(f"{who}{number}") for who in ("a", "b", "c") for number in (1, 2)}
    assert set(learning.discarded) == gone
    controls = world.run().controls
    assert controls.names() == {sha("c4"), sha("a4"), sha("b4")}
    assert set(controls.superseded) == {sha("c3"), sha("a3"), sha("b3")}


def test_an_update_without_its_steps_is_refused() -> None:
    world = MemoryWorld("a", "b", learning=WithControls())
    world.work.changes["a"] = {"num_steps": None}
    world.start(rounds=1, algorithm="scaffold")
    world.play()
    refused = [e.payload for e in world.history.events if isinstance(e.payload, UpdateRefused)]
    assert refused
    assert "As scaffold divides updates by their steps" in refused[0].refusal.text


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"learning_rate": 0.05}, 0.5),
        # (K - b (1 - b^K) / (1 - b)) / (1 - b) = (2 - 0.5 * 0.75 / 0.5) / 0.5 = 2.5
        ({"learning_rate": 0.1, "momentum": 0.5, "steps": 2}, 0.25),
        # (1 - (1 - eta mu)^K) / mu with mu + lambda = 1: 1 - 0.9^2 = 0.19
        ({"learning_rate": 0.1, "proximal_mu": 0.5, "weight_decay": 0.5, "steps": 2}, 0.19),
    ],
)
def test_reach_is_how_far_a_constant_gradient_moves_a_model(
    asked: dict[str, float], found: float
) -> None:
    hyperparameters = Hyperparameters.model_validate(asked)
    assert reach(hyperparameters, hyperparameters.steps or 10) == pytest.approx(found)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"hyperparameters": {"optimizer": "adamw"}}, "choose --optimizer sgd"),
        ({"mode": "async", "buffer": 2}, "leave out --mode async and --late count"),
        ({"late": "count"}, "leave out --mode async and --late count"),
        ({"encoding": "topk:0.01"}, "choose --update mxint8 without --error-feedback"),
        ({"encoding": "mxint8", "error_feedback": True}, "choose --update mxint8 without"),
        (
            {"hyperparameters": {"learning_rate": 0.1, "proximal_mu": 6, "weight_decay": 5}},
            "lower --proximal-mu, --weight-decay or --learning-rate",
        ),
    ],
)
def test_what_does_not_go_with_scaffold_is_refused(asked: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        spec(algorithm="scaffold", rounds=1, **asked)
    assert spec(algorithm="scaffold", rounds=1, encoding="mxint8").algorithm == "scaffold"
