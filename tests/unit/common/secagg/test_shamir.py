"""Any t shares give the secret; t - 1 give none, and are random by themselves."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.secagg.shamir import PRIME, combine, random_secret, split


def word(value: int) -> bytes:
    return value.to_bytes(32, "little")


def test_a_line_through_two_shares_meets_zero_at_the_secret() -> None:
    # 5 + 3x is 8 at 1 and 14 at 3; modulo the prime, -2 + 3x is the prime - 2 at 0.
    assert combine({1: word(8), 3: word(14)}) == word(5)
    assert combine({1: word(1), 2: word(4)}) == word(PRIME - 2)


@given(data=st.data(), count=st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_any_threshold_of_shares_gives_the_secret_and_one_less_does_not(data, count) -> None:
    threshold = data.draw(st.integers(1, count))
    secret = random_secret()
    shares = dict(enumerate(split(secret, threshold, count), start=1))
    chosen = data.draw(st.permutations(sorted(shares)))[:threshold]
    assert combine({x: shares[x] for x in chosen}) == secret
    if threshold > 1:
        assert combine({x: shares[x] for x in chosen[1:]}) != secret


@pytest.mark.parametrize(
    ("secret", "threshold", "count"),
    [(word(PRIME), 1, 1), (b"short", 1, 1), (word(1), 3, 2), (word(1), 0, 2)],
)
def test_what_cannot_be_shared_is_refused(secret, threshold, count) -> None:
    with pytest.raises(ValueError, match="below the prime"):
        split(secret, threshold, count)
