"""Realised weights: one over the part that a client's updates have had so far."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.policies.planning.quotas import HEAVIEST
from scheduler.selection.realised_weights import realised_weights

counts = st.dictionaries(st.text(min_size=1), st.integers(0, 10**6), min_size=1)


def test_who_counted_half_as_often_weighs_nearly_twice_as_much():
    # Even is (75 + 35) / 2 = 55, and five more for everybody: 60 / 80 and 60 / 40.
    found = realised_weights(["often", "seldom"], {"often": 75, "seldom": 35}, 2)
    assert found == {"often": 0.75, "seldom": 1.5}


def test_clients_that_are_not_invited_make_even_turns_longer():
    # (30 + 0 + 0) / 3 = 10, and five more: 15 / 35 and 15 / 5.
    assert realised_weights(["a", "b"], {"a": 30}, 3) == pytest.approx({"a": 3 / 7, "b": 3.0})


@given(updates=counts)
def test_weights_stay_within_bounds_and_fall_with_participation(updates: Mapping[str, int]):
    found = realised_weights(updates, updates, len(updates))
    assert all(1 / HEAVIEST <= weight <= HEAVIEST for weight in found.values())
    ordered = sorted(updates, key=updates.__getitem__)
    assert [found[c] for c in ordered] == sorted(found.values(), reverse=True)


@given(count=st.integers(0, 10**6), clients=st.integers(1, 100))
def test_even_participation_weighs_one(count: int, clients: int):
    names = [f"site-{n}" for n in range(clients)]
    found = realised_weights(names, dict.fromkeys(names, count), clients)
    assert set(found.values()) == {1.0}
