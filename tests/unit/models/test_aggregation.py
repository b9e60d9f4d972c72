from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from common.errors import SettingError, UpdateError
from models.aggregation import Contribution, scale_exponent, weighted_mean
from models.serialization import write_state
from models.tensor_file import PIECE, TensorSpec

Parts = list[tuple[list[float], int]]

BOUND = 100.0
ONE = {"w": TensorSpec(torch.float32, (4,))}


def contribute(folder: Path, *parts: tuple[Tensor, int]) -> list[Contribution]:
    for number, (tensor, _) in enumerate(parts):
        write_state({"w": tensor}, folder / str(number))
    return [Contribution(folder / str(i), weight) for i, (_, weight) in enumerate(parts)]


def mean_of(contributions: list[Contribution], spec: TensorSpec, exponent: int) -> Tensor:
    return dict(weighted_mean(contributions, {"w": spec}, exponent=exponent))["w"]


deltas = st.lists(
    st.tuples(
        st.lists(st.floats(-50, 50, width=32), min_size=4, max_size=4), st.integers(1, 10**6)
    ),
    min_size=1,
    max_size=6,
)


def test_mean_is_what_hand_computes(tmp_path: Path) -> None:
    contributions = contribute(
        tmp_path, (torch.tensor([1.0, -2.0, 0.5, 0.0]), 1), (torch.tensor([3.0, 2.0, 0.5, 4.0]), 3)
    )
    mean = mean_of(contributions, ONE["w"], scale_exponent(BOUND, 4))
    assert mean.tolist() == [2.5, 1.0, 0.5, 3.0]


@settings(max_examples=50, deadline=None)
@given(deltas, st.randoms(use_true_random=False))
def test_order_of_arrival_changes_no_bit(
    tmp_path_factory: pytest.TempPathFactory, parts: Parts, random: Random
) -> None:
    folder = tmp_path_factory.mktemp("blobs")
    contributions = contribute(folder, *((torch.tensor(v), w) for v, w in parts))
    exponent = scale_exponent(BOUND, sum(weight for _, weight in parts))
    first = mean_of(contributions, ONE["w"], exponent)
    random.shuffle(contributions)
    assert torch.equal(first, mean_of(contributions, ONE["w"], exponent))


@settings(max_examples=50, deadline=None)
@given(deltas)
def test_mean_is_within_half_a_step_of_the_exact_one(
    tmp_path_factory: pytest.TempPathFactory, parts: Parts
) -> None:
    folder = tmp_path_factory.mktemp("blobs")
    contributions = contribute(folder, *((torch.tensor(v).double(), w) for v, w in parts))
    total = sum(weight for _, weight in parts)
    exponent = scale_exponent(BOUND, total)
    mean = mean_of(contributions, TensorSpec(torch.float64, (4,)), exponent)
    for index, value in enumerate(mean.tolist()):
        weighted = [Fraction(values[index]) * weight for values, weight in parts]
        exact = sum(weighted, Fraction()) / total
        rounding = Fraction(2.0 ** (-exponent - 1)) + abs(exact) * Fraction(2.0**-51)
        assert abs(Fraction(value) - exact) <= rounding


@given(st.floats(1e-12, 1e12), st.integers(1, 2**50))
def test_the_scale_is_the_finest_that_cannot_overflow(norm_bound: float, total_weight: int) -> None:
    exponent = scale_exponent(norm_bound, total_weight)

    def safe(e: int) -> bool:
        steps = Fraction(norm_bound) * Fraction(2.0**e)
        return (steps + Fraction(1, 2)) * total_weight < 2**62 and steps < 2**51

    assert safe(exponent)
    assert exponent == 127 or not safe(exponent + 1)


def test_values_at_the_bound_do_not_overflow(tmp_path: Path) -> None:
    total = 2**40
    exponent = scale_exponent(BOUND, total)
    extreme = torch.tensor([BOUND, -BOUND, BOUND, 0.0])
    contributions = contribute(tmp_path, (extreme, total // 2), (extreme, total // 2))
    assert torch.equal(mean_of(contributions, ONE["w"], exponent), extreme)


@pytest.mark.parametrize("bad", [1e6, -1e6, float("nan"), float("inf")])
def test_value_too_large_for_the_scale_is_refused(tmp_path: Path, bad: float) -> None:
    contributions = contribute(tmp_path, (torch.tensor([0.0, bad, 0.0, 0.0]), 1))
    with pytest.raises(UpdateError, match="too large for the run's fixed-point scale"):
        mean_of(contributions, ONE["w"], scale_exponent(BOUND, 1000))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_mean_of_lower_precisions_is_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    contributions = contribute(
        tmp_path, (torch.ones(4, dtype=dtype), 1), (torch.zeros(4, dtype=dtype), 2)
    )
    mean = mean_of(contributions, TensorSpec(dtype, (4,)), scale_exponent(BOUND, 3))
    assert mean.dtype == torch.float32
    assert torch.equal(mean, torch.full((4,), 1 / 3))


@pytest.mark.parametrize("shape", [(), (0, 3), (PIECE,), (3, PIECE - 1)])
def test_every_shape_comes_back(tmp_path: Path, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    tensor = torch.randn(shape)
    mean = mean_of(
        contribute(tmp_path, (tensor, 5)),
        TensorSpec(torch.float32, shape),
        scale_exponent(BOUND, 5),
    )
    assert mean.shape == shape
    assert torch.allclose(mean, tensor, rtol=0, atol=1e-12)


def test_nothing_to_sum_is_refused(tmp_path: Path) -> None:
    for contributions in ([], contribute(tmp_path, (torch.zeros(4), 0))):
        with pytest.raises(UpdateError, match="no mean"):
            list(weighted_mean(contributions, ONE, exponent=0))


def test_blob_of_another_model_is_refused(tmp_path: Path) -> None:
    contributions = contribute(tmp_path, (torch.zeros(5), 1))
    with pytest.raises(UpdateError, match="has shape"):
        mean_of(contributions, ONE["w"], 10)


@pytest.mark.parametrize(
    ("norm_bound", "total_weight"),
    [(0.0, 1), (float("inf"), 1), (float("nan"), 1), (1.0, 0), (1.0, 2**63)],
)
def test_impossible_grids_are_refused(norm_bound: float, total_weight: int) -> None:
    with pytest.raises(SettingError):
        scale_exponent(norm_bound, total_weight)
