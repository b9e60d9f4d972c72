"""How many pieces go at once, and how a transfer outlasts a cut."""

from collections.abc import Iterator

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from tasks.messaging.transport.pace import MOST_PIECES, Pace, outlasting


@given(st.lists(st.floats(1e-9, 1e4), max_size=20))
def test_at_least_one_piece_goes_at_once_and_never_more_than_memory_allows(seconds):
    pace = Pace()
    for took_s in seconds:
        pace.learn(pace.pieces, took_s)
        assert 1 <= pace.pieces <= MOST_PIECES


@pytest.mark.parametrize(
    ("piece_s", "pieces"),
    [
        (1e-4, MOST_PIECES),  # a fast link
        (0.5, 6),
        (1.2, 2),  # 0.9 Mbit/s
        (30.0, 1),  # 35 kbit/s
    ],
)
def test_what_goes_at_once_takes_a_few_seconds(piece_s, pieces):
    pace = Pace()
    for _ in range(5):
        pace.learn(pace.pieces, pace.pieces * piece_s)
    assert pace.pieces == pieces


class Line:
    """Carries five pieces, and is cut before each of those given."""

    def __init__(self, *cuts: int) -> None:
        self.cuts = [*cuts]
        self.carried = 0

    def begin(self):
        while self.carried < 5:
            if self.cuts and self.cuts[0] == self.carried:
                self.cuts.pop(0)
                raise redis.ConnectionError
            self.carried += 1
            yield self.carried


@pytest.mark.parametrize("cuts", [(), (0,), (2,), (0, 0, 4), (1, 2, 3)])
def test_a_cut_transfer_goes_on_where_it_was(cuts):
    assert [*outlasting(Line(*cuts).begin, patience_s=60.0)] == [1, 2, 3, 4, 5]


def test_patience_ends_where_nothing_arrives():
    arrived: list[int] = []
    with pytest.raises(redis.ConnectionError):
        arrived.extend(outlasting(Line(3).begin, patience_s=0.0))
    assert arrived == [1, 2, 3]


def test_what_a_server_refuses_is_not_tried_again():
    def refused() -> Iterator[None]:
        yield from ()
        raise redis.ResponseError

    with pytest.raises(redis.ResponseError):
        next(outlasting(refused, patience_s=60.0))
