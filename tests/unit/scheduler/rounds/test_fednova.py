"""FedNova: weights by steps, against the closed form of two quadratics, and in rounds."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from common.hyperparameters import Hyperparameters
from models.batch import batch_sizes
from scheduler.ledger.events import RoundCommitted, UpdateRefused
from scheduler.rounds.fednova import effective_steps, normalised_weights
from tests.unit.scheduler.rounds.memory_world import MemoryWorld
from tests.unit.scheduler.story import spec

ETA, B, K = 0.05, (0.0, 1.0), (2, 20)


def limit(a: tuple[float, float], eta: float, *, normalised: bool) -> float:
    """Return where rounds of exact gradient steps end; client i takes K[i] of them."""
    steps = [effective_steps(k, learning_rate=eta, momentum=0.0, mu=0.0) for k in K]
    weights, divisor = normalised_weights([1, 1], steps) if normalised else ([1, 1], 2)
    path = [0.0]
    for _ in range(20_000):
        x = path[-1]
        deltas = [
            (1 - (1 - eta * curve) ** k) * (b - x) for curve, b, k in zip(a, B, K, strict=True)
        ]
        path.append(x + sum(w * d for w, d in zip(weights, deltas, strict=True)) / divisor)
    assert all(abs(later - 0.5) <= 1 for _, later in pairwise(path))
    return path[-1]


@pytest.mark.parametrize(
    ("a", "eta", "normalised", "found"),
    [
        ((1, 1), 0.05, False, 0.868067), ((1, 1), 0.05, True, 0.396850),
        ((1, 1), 0.001, False, 0.908345), ((1, 1), 0.001, True, 0.497753),
    ],
)  # fmt: skip
def test_unequal_steps_no_longer_decide_where_it_ends(
    a: tuple[float, float],
    eta: float,
    normalised: bool,  # noqa: FBT001 - pytest's
    found: float,
) -> None:
    # the truth is 0.5; what is left is drift, which grows with the learning rate
    assert limit(a, eta, normalised=normalised) == pytest.approx(found, abs=1e-4)


def test_equal_steps_weigh_as_in_fedavg() -> None:
    weights, divisor = normalised_weights([10, 30], [4.0, 4.0])
    assert [weight / divisor for weight in weights] == pytest.approx([0.25, 0.75])


@pytest.mark.parametrize(("b", "k"), [(0.9, 1), (0.9, 7), (0.5, 20)])
def test_momentum_reaches_as_far_as_the_paper_says(b: float, k: int) -> None:
    paper = (k - b * (1 - b**k) / (1 - b)) / (1 - b)
    assert effective_steps(k, learning_rate=0.1, momentum=b, mu=0.0) == pytest.approx(paper)


def test_reach_of_very_many_steps_is_found_at_once() -> None:
    assert effective_steps(2**40 - 1, learning_rate=0.1, momentum=0.0, mu=0.0) == 2**40 - 1
    far = effective_steps(2**40 - 1, learning_rate=0.1, momentum=0.9, mu=0.1)
    assert far == pytest.approx(1 / (0.1 * 0.1))  # as near to its pull's end as it comes


def test_proximal_term_shortens_the_reach_as_the_paper_says() -> None:
    paper = (1 - (1 - 0.1 * 2) ** 9) / (0.1 * 2)
    assert effective_steps(9, learning_rate=0.1, momentum=0.0, mu=2.0) == pytest.approx(paper)


def committed(**asked: Any) -> RoundCommitted:
    world = MemoryWorld("a", "b")
    world.start(rounds=1, **asked)
    few = world.history.state.clients["a"]
    few.num_examples = 64
    world.play()
    (found,) = [e.payload for e in world.history.events if isinstance(e.payload, RoundCommitted)]
    return found


def test_round_commits_to_weights_by_examples_and_steps() -> None:
    # a has 64 examples: 2 steps; b has 10: one. W = 74, sum of w a = 128 + 10 = 138.
    found = committed(algorithm="fednova")
    assert [line.weight for line in found.manifest] == [64 * 2**15, 10 * 2**16]
    assert found.divisor == round(2**16 * 74**2 / 138)


def test_fedavg_weighs_by_examples_alone() -> None:
    found = committed()
    assert [line.weight for line in found.manifest] == [64, 10]
    assert found.divisor is None


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"hyperparameters": {"optimizer": "adam"}}, "choose --optimizer sgd, or --algorithm"),
        ({"mode": "async", "buffer": 2}, "leave out --mode async and --late count"),
        ({"late": "count"}, "leave out --mode async and --late count"),
        (
            {"hyperparameters": {"learning_rate": 0.1, "proximal_mu": 20}},
            "lower --proximal-mu or --learning-rate",
        ),
    ],
)
def test_what_does_not_go_with_fednova_is_refused(asked: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        spec(algorithm="fednova", rounds=1, **asked)


@pytest.mark.parametrize(
    ("reported", "said"),
    [
        ({"num_steps": 1}, "a reports 1 steps, and its 64 examples make 2. As fednova"),
        ({"num_steps": 2000}, "a reports 2000 steps, and its 64 examples make 2"),
        (
            {"num_steps": 2000, "num_examples": 64_000},
            "is enrolled with 64.*: fairwind enroll a --zone FR --examples 64000",
        ),
        ({"num_steps": None}, "a does not report its steps"),
        ({"num_examples": 0}, "a trained on no examples"),
    ],
)
def test_steps_that_its_examples_cannot_make_are_not_believed(
    reported: dict[str, Any], said: str
) -> None:
    world = MemoryWorld("a", "b")
    world.start(rounds=1, algorithm="fednova", quorum=1)
    world.history.state.clients["a"].num_examples = 64
    world.work.changes["a"] = reported
    world.play()
    (refused,) = [e.payload for e in world.history.events if isinstance(e.payload, UpdateRefused)]
    assert re.search(said, refused.refusal.text)
    (found,) = [e.payload for e in world.history.events if isinstance(e.payload, RoundCommitted)]
    assert [line.client for line in found.manifest] == ["b"]


@pytest.mark.parametrize("batch_size", [1, 3, 4])
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("drop_last", [False, True])
def test_expected_steps_are_those_that_batches_make(
    *, batch_size: int, accumulate: int, drop_last: bool
) -> None:
    asked = Hyperparameters(
        epochs=2, batch_size=batch_size, accumulate=accumulate, drop_last=drop_last
    )
    for num_examples in range(1, 30):
        sizes = batch_sizes(num_examples, batch_size, drop_last=drop_last)
        steps = 2 * -(-len(sizes) // accumulate)
        assert asked.expected_steps(num_examples) == steps
        assert asked.expected_steps(sum(sizes)) == steps
