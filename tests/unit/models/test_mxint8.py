from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from models import mxint8


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_what_fits_the_format_comes_back_as_it_was() -> None:
    # 127 steps of 2**-6 and of 2**3: the greatest value of a block decides its step.
    values = torch.tensor([127.0, -1.0, 64.0, 0.0] * 8 + [-1016.0, 8.0])
    elements, scales = mxint8.encode(values, generator=drawn())
    assert scales.tolist() == [133, 136]
    assert elements[:4].tolist() == [127, -1, 64, 0]
    assert elements[32:].tolist() == [-127, 1]
    assert mxint8.decode(elements, scales).equal(values)


def test_a_value_beyond_127_steps_takes_the_next_scale() -> None:
    elements, scales = mxint8.encode(torch.tensor([127.5]), generator=drawn())
    assert scales.tolist() == [134]
    assert elements.item() in {63, 64}


def test_rounding_is_right_on_average() -> None:
    values = torch.full((32 * 4000,), 0.3)
    values[::32] = 100.0
    elements, scales = mxint8.encode(values, generator=drawn())
    rounded = mxint8.decode(elements, scales).view(-1, 32)[:, 1:]
    assert set(rounded.flatten().tolist()) == {0.0, 1.0}
    # 124,000 draws of 0 or 1: the mean's standard error is sqrt(0.3 * 0.7 / 124000) = 0.0013.
    assert abs(rounded.mean().item() - 0.3) < 0.006


def test_what_is_not_finite_is_decoded_as_nan() -> None:
    for bad in (torch.nan, torch.inf, -torch.inf):
        values = torch.cat([torch.ones(32), torch.tensor([1.0, bad])])
        decoded = mxint8.decode(*mxint8.encode(values, generator=drawn()))
        assert decoded[:32].tolist() == [1.0] * 32
        assert decoded[32:].isnan().all()


def test_zeros_and_the_smallest_values_stay_small() -> None:
    values = torch.tensor([0.0, 1e-45, 1e-38])
    decoded = mxint8.decode(*mxint8.encode(values, generator=drawn()))
    assert decoded[0] == 0
    assert decoded.abs().max() < 3e-38


@given(
    st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=100),
    st.integers(0, 2**31),
)
def test_no_value_moves_by_a_step_of_its_block(values: list[float], seed: int) -> None:
    given_ = torch.tensor(values)
    elements, scales = mxint8.encode(given_, generator=drawn(seed))
    assert elements.dtype == torch.int8
    assert len(scales) == mxint8.num_blocks(len(values))
    error = (mxint8.decode(elements, scales) - given_).abs()
    for block, of_block in zip(torch.split(given_, 32), torch.split(error, 32), strict=True):
        # 2**-6 of the greatest value at most, or the smallest step there is.
        assert of_block.max() <= max(block.abs().max().item() / 63.5, 2.0**-125)


@given(st.integers(1, 200), st.integers(0, 2**31))
def test_the_same_seed_gives_the_same_bytes(count: int, seed: int) -> None:
    values = torch.randn(count, generator=drawn(seed))
    first = mxint8.encode(values, generator=drawn(seed))
    again = mxint8.encode(values, generator=drawn(seed))
    assert all(a.equal(b) for a, b in zip(first, again, strict=True))
