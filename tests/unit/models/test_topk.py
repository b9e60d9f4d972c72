import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UpdateError
from models.sorted_places import pack_places, places_nbytes, unpack_places
from models.topk import largest, num_kept


@st.composite
def some_places(draw: st.DrawFn) -> tuple[list[int], int]:
    size = draw(st.integers(1, 5000))
    places = draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=300))
    return sorted(places), size


@given(some_places())
def test_places_come_back_and_their_size_depends_on_the_counts_alone(
    case: tuple[list[int], int],
) -> None:
    places, size = case
    packed = pack_places(torch.tensor(places), size)
    assert len(packed) == places_nbytes(size, len(places))
    assert unpack_places(packed, size, len(places)).tolist() == places


@given(st.binary(min_size=places_nbytes(1000, 30), max_size=places_nbytes(1000, 30)))
def test_any_bytes_are_increasing_places_or_refused(packed: bytes) -> None:
    held = torch.frombuffer(bytearray(packed), dtype=torch.uint8)
    try:
        places = unpack_places(held, 1000, 30)
    except UpdateError:
        return
    assert places.diff().gt(0).all()
    assert 0 <= places[0] <= places[-1] < 1000


@pytest.mark.parametrize(("share", "bits"), [(0.1, 5.3), (0.01, 8.6), (0.001, 12.0)])
def test_a_place_takes_few_bits(share: float, bits: float) -> None:
    count = num_kept(1_000_000, share)
    assert places_nbytes(1_000_000, count) * 8 / count == pytest.approx(bits, abs=0.1)


def test_the_largest_are_kept_and_the_first_of_equal_ones() -> None:
    values = torch.tensor([1.0, -3.0, 0.5, 3.0, -1.0, 1.0])
    assert largest(values, 1).tolist() == [1]
    assert largest(values, 2).tolist() == [1, 3]
    assert largest(values, 3).tolist() == [0, 1, 3]
    assert largest(values, 4).tolist() == [0, 1, 3, 4]
    assert largest(values, 6).tolist() == [0, 1, 2, 3, 4, 5]


@given(st.integers(0, 2**32), st.integers(1, 20_000), st.floats(0.0001, 1.0), st.integers(1, 9))
def test_no_value_that_is_left_out_is_larger(
    seed: int, size: int, share: float, kinds: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(size, generator=generator) * torch.randint(
        kinds, (size,), generator=generator
    )
    places, count = largest(values, num_kept(size, share)), num_kept(size, share)
    order = sorted(range(size), key=lambda place: (-abs(values[place].item()), place))
    assert places.tolist() == sorted(order[:count])


def test_what_is_no_number_is_kept_so_that_the_update_is_refused() -> None:
    assert largest(torch.tensor([5.0, torch.nan, 1.0]), 1).tolist() == [1]
