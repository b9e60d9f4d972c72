"""Liars: what each attack sends, by hand; and what they do to a simulated run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import TensorDataset

from common.errors import SettingError, WorkloadError
from models.batched import ClientWork, Updates
from simulation.ports.liars import Liars
from simulation.run import simulate
from simulation.scenario.attacks import ATTACKS, Attack
from simulation.scenario.flipped_labels import with_flipped_labels
from simulation.scenario.loading import load_scenario
from tests.unit.simulation.worlds import group, world


def updates(*rows: list[float]) -> Updates:
    count = len(rows)
    nothing = np.zeros(count, dtype=np.int64)
    return Updates(
        clients=tuple(f"c{row}" for row in range(count)),
        deltas={"w": torch.tensor(rows)},
        num_examples=nothing, num_steps=nothing, loss=np.zeros(count), utility=np.zeros(count),
        metrics=({},) * count, num_held_out=nothing, memories=({},) * count,
    )  # fmt: skip


def sent(attack: Attack, *rows: list[float], liars: tuple[str, ...] = ("c0",)) -> torch.Tensor:
    """Return what the first client sends, and leave the others as they are."""
    trained = updates(*rows)
    works = [ClientWork(client, 7 + row, 1.0) for row, client in enumerate(trained.clients)]
    spoiled = Liars(dict.fromkeys(liars, attack)).spoil(trained, works)
    honest = [row for row, client in enumerate(trained.clients) if client not in liars]
    assert torch.equal(spoiled.deltas["w"][honest], trained.deltas["w"][honest])
    assert torch.equal(trained.deltas["w"], torch.tensor(rows))  # not changed
    return spoiled.deltas["w"][0]


# The honest mean of these is (2, 0), their standard deviation (1, 4).
HONEST = ([1.0, 4.0], [3.0, -4.0])


@pytest.mark.parametrize(
    ("attack", "expected"),
    [
        ("label-flip", [5.0, 1.0]),
        ("sign-flip", [-5.0, -1.0]),
        ("sign-flip-3", [-15.0, -3.0]),
        ("x100", [500.0, 100.0]),
        ("free-rider", [0.0, 0.0]),
        ("ipm-0.1", [-0.2, 0.0]),
        ("ipm-0.5", [-1.0, 0.0]),
        ("ipm-10", [-20.0, 0.0]),
        ("alie", [0.5, -6.0]),  # 2 - 1.5 x 1, and 0 - 1.5 x 4
    ],
)
def test_a_liar_sends_what_its_attack_says(attack: Attack, expected: list[float]) -> None:
    assert sent(attack, [5.0, 1.0], *HONEST).tolist() == pytest.approx(expected)


def test_mimic_copies_the_update_that_is_farthest_along_the_most_variance() -> None:
    assert sent("mimic", [5.0, 1.0], [0.0, 1.0], [0.0, 1.1], [9.0, 1.0]).tolist() == [9.0, 1.0]


def test_noise_has_ten_times_the_norm_of_the_honest_update_and_is_drawn_from_the_seed() -> None:
    noise = sent("gaussian", [3.0, 4.0], *HONEST)
    assert noise.norm().item() == pytest.approx(50.0)
    assert torch.equal(noise, sent("gaussian", [3.0, 4.0], *HONEST))


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_liar_that_is_trained_alone_knows_its_own_update(attack: Attack) -> None:
    assert sent(attack, [5.0, 1.0]).isfinite().all()


@given(st.permutations(range(3)), st.sampled_from(ATTACKS))
def test_what_a_liar_sends_does_not_depend_on_the_order_of_the_honest(
    order: list[int], attack: Attack
) -> None:
    honest = [[1.0, 4.0], [3.0, -4.0], [8.0, 0.5]]
    expected = sent(attack, [5.0, 1.0], *honest)
    found = sent(attack, [5.0, 1.0], *(honest[row] for row in order))
    torch.testing.assert_close(found, expected)


def test_flipped_labels_are_mirrored_within_those_of_all_clients() -> None:
    data = {
        "a": TensorDataset(torch.zeros(3, 1), torch.tensor([0, 1, 8])),
        "b": TensorDataset(torch.zeros(1, 1), torch.tensor([9])),
    }
    flipped = with_flipped_labels(data, ["a"])
    assert flipped["a"][:][1].tolist() == [9, 8, 1]
    assert flipped["b"] is data["b"]
    assert data["a"][:][1].tolist() == [0, 1, 8]


def test_labels_that_are_no_whole_numbers_are_not_flipped() -> None:
    data = {"a": TensorDataset(torch.zeros(1, 1), torch.tensor([0.5]))}
    with pytest.raises(WorkloadError, match="labels cannot be flipped"):
        with_flipped_labels(data, ["a"])


def liars(**changes: Any) -> list[float | None]:
    scenario = load_scenario("liars").altered(run={"rounds": 6}, **changes)
    return [round_.metrics["accuracy"] for round_ in simulate(scenario).rounds]


def test_four_liars_of_twenty_spoil_the_mean_the_same_way_each_time() -> None:
    scenario = load_scenario("liars")
    honest = [part.model_copy(update={"attack": None}) for part in scenario.clients]
    spoiled, sound = liars(), liars(clients=[part.model_dump() for part in honest])
    assert spoiled == liars()
    assert spoiled[-1] is not None
    assert sound[-1] is not None
    assert sound[-1] > spoiled[-1] + 0.2


def test_liars_lie_alike_in_batches_and_one_after_the_other() -> None:
    one_by_one = load_scenario("liars").workload.model_dump() | {"batched": False}
    assert liars(workload=one_by_one) == pytest.approx(liars(), abs=0.02)


def test_an_attack_without_a_workload_is_refused() -> None:
    with pytest.raises(SettingError, match="name a workload, or leave out attack"):
        world(clients=[group(attack="mimic")])
