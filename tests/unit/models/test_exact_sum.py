from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.exact_sum import ExactSum, quotient, scaled

COUNT = 200


def summed(rows: Tensor, weights: list[int], *, top: int | None) -> ExactSum:
    """Sum rows one by one on a scale that begins as if values were below 2**top."""
    total = ExactSum(
        COUNT, total_weight=sum(weights), divisor=sum(weights), num_updates=len(weights)
    )
    total.begin(COUNT, top=top)
    for row, weight in zip(rows, weights, strict=True):
        extent = total.extent(row[None])
        if extent is not None:
            total.add(row[None], np.array([weight]), extent)
    return total


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([torch.float32, torch.float64]),
    st.lists(st.integers(1, 10**4), min_size=1, max_size=5),
    st.integers(0, 15),
    st.integers(0, 2**32),
)
def test_the_scale_on_which_it_begins_changes_no_bit(
    dtype: torch.dtype, weights: list[int], above: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(len(weights), COUNT, generator=generator, dtype=dtype)
    rows[torch.rand(rows.shape, generator=generator) < 0.2] = 0
    fine, coarse = summed(rows, weights, top=None), summed(rows, weights, top=3 + above)
    assert fine.recoverable
    assert coarse.recoverable
    first, second = fine.means(dtype).to(dtype).clone(), coarse.means(dtype).to(dtype)
    kept = np.setdiff1d(np.arange(COUNT), np.union1d(fine.left_out, coarse.left_out))
    assert len(kept) >= COUNT // 2
    assert torch.equal(first[kept], second[kept])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_an_extent_bounds_the_values(dtype: torch.dtype) -> None:
    total = ExactSum(4, total_weight=1, divisor=1, num_updates=1)
    values = torch.tensor([[0.0, -3.0, 0.375, 0.0]], dtype=dtype)
    extent = total.extent(values)
    assert extent is not None
    assert (extent.largest, extent.top) == (3.0, 2)
    # 0.375 is 1.5 * 2**-2: its last digit is worth 2**-2 times the distance of 1 to the next value
    assert 2.0**extent.low == torch.finfo(dtype).eps * 2**-2
    assert total.extent(torch.zeros(1, 4, dtype=dtype)) is None


def test_what_is_far_too_large_for_the_scale_begins_again() -> None:
    rows = torch.stack([torch.full((COUNT,), 1e-30), torch.full((COUNT,), 1.0)])
    total = summed(rows, [1, 1], top=None)
    assert not total.recoverable
    again = summed(rows, [1, 1], top=total.top)
    assert again.recoverable
    assert again.left_out.tolist() == list(range(COUNT))


@pytest.mark.parametrize(
    ("value", "divisor", "nearest"),
    [(1.0, 1, 1.0), (1.0, 3, np.float32(1 / 3)), (-7.0, 2, -3.5), (2.0**-149, 2, 0.0)],
)
def test_quotients_convert_to_the_nearest_float32(
    value: float, divisor: int, nearest: float
) -> None:
    found = quotient(scaled(value), divisor, torch.float32)
    assert float(np.float32(found)) == nearest


def test_a_quotient_just_above_a_middle_is_rounded_up() -> None:
    # 1 + 2**-24 lies between 1 and the next float32; a float64 cannot say that this is a bit more
    total, divisor = (scaled(1.0) << 80) + (scaled(2.0**-24) << 80) + scaled(1.0), 1 << 80
    assert np.float32(quotient(total, divisor, torch.float64)) == 1.0
    assert np.float32(quotient(total, divisor, torch.float32)) == np.float32(1 + 2**-23)
