from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from common.errors import UpdateError
from models.aggregation import Contribution, stacked_mean, weighted_mean
from models.exact_sum import MAX_TOTAL_WEIGHT
from models.serialization import write_state
from models.tensor_file import PIECE, TensorSpec

Parts = list[tuple[list[float], int]]

BOUND = 1e12
ONE = {"w": TensorSpec(torch.float32, (4,))}
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def contribute(folder: Path, *parts: tuple[Tensor, int]) -> list[Contribution]:
    for number, (tensor, _) in enumerate(parts):
        write_state({"w": tensor}, folder / str(number))
    return [Contribution(folder / str(i), weight) for i, (_, weight) in enumerate(parts)]


def mean_of(contributions: list[Contribution], spec: TensorSpec, norm_bound: float) -> Tensor:
    return dict(weighted_mean(contributions, {"w": spec}, norm_bound=norm_bound))["w"]


def mean_in_memory(deltas: Tensor, weights: Sequence[int], divisor: int | None = None) -> Tensor:
    return dict(stacked_mean({"w": deltas}, weights, divisor=divisor, norm_bound=BOUND))["w"]


def exact_mean(deltas: Tensor, weights: Sequence[int], divisor: int | None = None) -> Tensor:
    """Return the mean computed in fractions, rounded once."""
    dtype = torch.float64 if deltas.dtype == torch.float64 else torch.float32
    means = []
    for values in deltas.double().T.tolist():
        terms = (Fraction(v) * w for v, w in zip(values, weights, strict=True))
        exact = sum(terms, Fraction()) / (divisor or sum(weights))
        means.append(float(exact) if dtype == torch.float64 else nearest_float32(exact))
    return torch.tensor(means, dtype=torch.float64).to(dtype)


def nearest_float32(exact: Fraction) -> float:
    """Return the nearest float32, of two equally near ones that with an even mantissa."""
    guess = np.float32(float(exact))
    near = [np.nextafter(guess, np.float32(side)) for side in (-math.inf, math.inf)]
    return float(
        min([guess, *near], key=lambda c: (abs(Fraction(float(c)) - exact), c.view(np.uint32) & 1))
    )


deltas = st.lists(
    st.tuples(
        st.lists(st.floats(-50, 50, width=32), min_size=4, max_size=4), st.integers(1, 10**9)
    ),
    min_size=1,
    max_size=6,
)


@st.composite
def stacks(draw: st.DrawFn) -> tuple[Tensor, list[int]]:
    """Draw deltas of any dtype and spread, and weights of any size."""
    rows, count = draw(st.integers(1, 5)), draw(st.sampled_from([1, 3, 40]))
    dtype = draw(st.sampled_from(DTYPES))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    values = torch.randn(rows, count, generator=generator, dtype=torch.float64)
    spread = draw(st.sampled_from([0, 5, 40, 150]))
    for shape in ((rows, 1), (1, count), (rows, count)):
        powers = torch.randint(-spread, 1, shape, generator=generator)
        values *= torch.pow(2.0, draw(st.booleans()) * powers.double())
    if draw(st.booleans()):  # values with few digits, whose means are often equally near to two
        values = (values * 8).round() / 8 * (1 + 2**-23)
    weights = st.integers(1, draw(st.sampled_from([1, 3, 1000, 10**9, 10**16])))
    return values.to(dtype), draw(st.lists(weights, min_size=rows, max_size=rows))


def test_mean_is_what_hand_computes(tmp_path: Path) -> None:
    contributions = contribute(
        tmp_path, (torch.tensor([1.0, -2.0, 0.5, 0.0]), 1), (torch.tensor([3.0, 2.0, 0.5, 4.0]), 3)
    )
    mean = mean_of(contributions, ONE["w"], BOUND)
    assert mean.tolist() == [2.5, 1.0, 0.5, 3.0]


@settings(max_examples=50, deadline=None)
@given(deltas, st.randoms(use_true_random=False))
def test_order_of_arrival_changes_no_bit(
    tmp_path_factory: pytest.TempPathFactory, parts: Parts, random: Random
) -> None:
    folder = tmp_path_factory.mktemp("blobs")
    contributions = contribute(folder, *((torch.tensor(v), w) for v, w in parts))
    first = mean_of(contributions, ONE["w"], BOUND)
    random.shuffle(contributions)
    assert torch.equal(first, mean_of(contributions, ONE["w"], BOUND))


@settings(max_examples=50, deadline=None)
@given(deltas)
def test_mean_of_files_is_the_exact_one_rounded_once(
    tmp_path_factory: pytest.TempPathFactory, parts: Parts
) -> None:
    folder = tmp_path_factory.mktemp("blobs")
    stacked, weights = torch.tensor([v for v, _ in parts]), [w for _, w in parts]
    contributions = contribute(folder, *zip(stacked, weights, strict=True))
    assert torch.equal(mean_of(contributions, ONE["w"], BOUND), exact_mean(stacked, weights))


@settings(max_examples=200, deadline=None)
@given(stacks(), st.randoms(use_true_random=False))
def test_mean_is_the_exact_one_rounded_once_in_any_order(
    case: tuple[Tensor, list[int]], random: Random
) -> None:
    stacked, weights = case
    exact = exact_mean(stacked, weights)
    assert torch.equal(mean_in_memory(stacked, weights), exact)
    order = random.sample(range(len(weights)), len(weights))
    permuted = mean_in_memory(stacked[order], [weights[place] for place in order])
    assert torch.equal(permuted, exact)


@settings(max_examples=50, deadline=None)
@given(stacks(), st.sampled_from([Fraction(1, 4), Fraction(2, 3), Fraction(1), Fraction(7)]))
def test_a_sum_divided_by_another_divisor_is_the_exact_one_rounded_once(
    drawn: tuple[Tensor, list[int]], part: Fraction
) -> None:
    stacked, weights = drawn
    divisor = min(MAX_TOTAL_WEIGHT, max(1, int(sum(weights) * part)))
    exact = exact_mean(stacked, weights, divisor)
    assert torch.equal(mean_in_memory(stacked, weights, divisor), exact)


@given(stacks(), st.integers(1, 10))
def test_weights_in_the_same_proportion_give_the_same_bits(
    case: tuple[Tensor, list[int]], factor: int
) -> None:
    stacked, weights = case
    first = mean_in_memory(stacked, weights)
    assert torch.equal(first, mean_in_memory(stacked, [factor * w for w in weights]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("weight", [1, 10**6, 16_000 * 10**9])
def test_ten_thousand_updates_are_summed_exactly(dtype: torch.dtype, weight: int) -> None:
    generator = torch.Generator().manual_seed(0)
    stacked = torch.randn(10_000, 5, generator=generator, dtype=dtype) * 1e-5
    weights = [weight, *[1] * 9_999]
    assert torch.equal(mean_in_memory(stacked, weights), exact_mean(stacked, weights))


@pytest.mark.parametrize("size", [1e-2, 1e-5, 1e-12, 1e-30])
@pytest.mark.parametrize("weights", [(1, 1), (64, 64), (64_000, 64_000), (600_000_001, 1)])
def test_an_update_of_any_size_counts_with_all_its_digits(
    size: float, weights: tuple[int, int]
) -> None:
    update = torch.randn(50_000, generator=torch.Generator().manual_seed(0)) * size
    mean = mean_in_memory(torch.stack([update, update]), weights)
    assert torch.equal(mean, update)
    lone = mean_in_memory(torch.stack([update, torch.zeros_like(update)]), weights)
    wanted = update.double() * weights[0] / sum(weights)
    assert ((lone.double() - wanted).norm() / wanted.norm()).item() < 1e-7


def test_a_site_whose_values_are_far_smaller_keeps_its_digits() -> None:
    large, small = torch.full((PIECE,), 100.0), torch.full((PIECE,), 1.2345e-9)
    large[PIECE // 2 :] = 0.0
    for order in ([large, small], [small, large]):
        mean = mean_in_memory(torch.stack(order), [10_007, 10_007])
        assert mean[-1].item() == np.float32(small[0].item() / 2)
        assert mean[0].item() == np.float32(50 + small[0].item() / 2)


def test_a_few_values_far_smaller_than_all_others_keep_their_digits() -> None:
    generator = torch.Generator().manual_seed(0)
    stacked = torch.randn(3, 1000, generator=generator)
    stacked[:, 7], stacked[1, 8] = 1e-30 * stacked[:, 7], 1e-41
    weights = [3, 1_000_003, 17]
    assert torch.equal(mean_in_memory(stacked, weights), exact_mean(stacked, weights))


def test_values_at_the_bound_do_not_overflow(tmp_path: Path) -> None:
    extreme = torch.tensor([3e38, -3e38, 3e38, 0.0])
    contributions = contribute(tmp_path, (extreme, 2**56), (extreme, 2**56 - 1))
    assert torch.equal(mean_of(contributions, ONE["w"], 1e39), extreme)


@pytest.mark.parametrize("bad", [100.1, -1e6, float("nan"), float("inf")])
def test_value_above_the_norm_bound_is_refused(tmp_path: Path, bad: float) -> None:
    contributions = contribute(tmp_path, (torch.tensor([0.0, bad, 0.0, 0.0]), 1))
    with pytest.raises(UpdateError, match="above the run's norm bound, or is no number"):
        mean_of(contributions, ONE["w"], 100.0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_mean_of_lower_precisions_is_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    contributions = contribute(
        tmp_path, (torch.ones(4, dtype=dtype), 1), (torch.zeros(4, dtype=dtype), 2)
    )
    mean = mean_of(contributions, TensorSpec(dtype, (4,)), BOUND)
    assert mean.dtype == torch.float32
    assert torch.equal(mean, torch.full((4,), 1 / 3))


@pytest.mark.parametrize("shape", [(), (0, 3), (PIECE,), (3, PIECE - 1)])
def test_every_shape_comes_back(tmp_path: Path, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    tensor = torch.randn(shape)
    mean = mean_of(contribute(tmp_path, (tensor, 5)), TensorSpec(torch.float32, shape), BOUND)
    assert mean.shape == shape
    assert torch.equal(mean, tensor)


def test_nothing_to_sum_is_refused(tmp_path: Path) -> None:
    for contributions in ([], contribute(tmp_path, (torch.zeros(4), 0))):
        with pytest.raises(UpdateError, match="no mean"):
            mean_of(contributions, ONE["w"], BOUND)


def test_weights_whose_sum_leaves_no_room_are_refused(tmp_path: Path) -> None:
    contributions = contribute(tmp_path, (torch.zeros(4), MAX_TOTAL_WEIGHT), (torch.zeros(4), 1))
    with pytest.raises(UpdateError, match="Lower the run's cap on weights"):
        mean_of(contributions, ONE["w"], BOUND)


def test_blob_of_another_model_is_refused(tmp_path: Path) -> None:
    contributions = contribute(tmp_path, (torch.zeros(5), 1))
    with pytest.raises(UpdateError, match="has shape"):
        mean_of(contributions, ONE["w"], BOUND)
