"""Quotas: shares of participation, as near to the weights as fairness allows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.policies.candidate_table import Floats
from scheduler.policies.planning.quotas import capped, quotas


def jain(shares: Floats) -> float:
    return float(shares.sum() ** 2 / (len(shares) * (shares**2).sum()))


def test_weights_that_are_fair_enough_are_only_scaled():
    # p = (0.25, 0.75): J = 1 / (2 * (0.0625 + 0.5625)) = 0.8.
    assert quotas(np.array([1.0, 3.0]), 0.8) == pytest.approx([0.25, 0.75])


def test_unfair_weights_move_towards_the_even_share_just_as_far_as_needed():
    # p = (0, 1): N sum p^2 - 1 = 1, so 1-b = sqrt(1/0.8 - 1) = 0.5 and r = p/2 + 1/4.
    assert quotas(np.array([0.0, 9.0]), 0.8) == pytest.approx([0.25, 0.75])
    # p = (1, 0, 0, 0): 3, so 1-b = sqrt(1/3) for J = 0.5, and r_0 = 0.57735 * 0.75 + 0.25.
    assert quotas(np.array([5.0, 0, 0, 0]), 0.5)[0] == pytest.approx(0.6830127)


def test_perfect_fairness_gives_all_the_same():
    assert quotas(np.array([1.0, 2.0, 5.0]), 1.0) == pytest.approx([1 / 3] * 3)


def test_no_fairness_leaves_the_weights_alone():
    assert quotas(np.array([1.0, 0.0]), 0.0).tolist() == [1.0, 0.0]


def test_weights_of_nothing_count_alike():
    assert quotas(np.zeros(4), 0.8).tolist() == [0.25] * 4
    assert quotas(np.zeros(0), 0.8).tolist() == []


weights_ = st.lists(st.just(0.0) | st.floats(1e-300, 1e300), min_size=1, max_size=20)


@given(weights=weights_, fairness=st.floats(0, 1))
def test_shares_sum_to_one_are_fair_enough_and_keep_the_order(weights, fairness):
    shares = quotas(np.array(weights), fairness)
    assert shares.sum() == pytest.approx(1.0)
    assert (shares >= 0).all()
    assert jain(shares) >= fairness - 1e-9
    order = np.argsort(weights, kind="stable")
    assert (np.diff(shares[order]) >= -1e-12).all()


@given(
    weights=st.lists(st.floats(0.01, 100), min_size=1, max_size=20),
    fairness=st.floats(0.01, 0.99),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_no_more_evenness_is_mixed_in_than_needed(weights, fairness, scale):
    shares, p = quotas(np.array(weights) * scale, fairness), np.array(weights) / sum(weights)
    if jain(p) >= fairness:
        assert shares == pytest.approx(p)
    else:
        assert jain(shares) == pytest.approx(fairness)


def test_what_a_limit_cuts_off_goes_to_the_others_in_proportion():
    # 0.2 of the first go to the others, 2 : 1; then none exceeds 0.5.
    assert capped(np.array([0.7, 0.2, 0.1]), 0.5) == pytest.approx([0.5, 1 / 3, 1 / 6])
    # First 0.6 * 0.35 / 0.4 = 0.525 for the second, which is too much as well.
    assert capped(np.array([0.6, 0.35, 0.05]), 0.4) == pytest.approx([0.4, 0.4, 0.2])
    assert capped(np.array([0.9, 0.1]), 0.5) == pytest.approx([0.5, 0.5])
    assert capped(np.array([1.0, 5e-324]), 0.5) == pytest.approx([0.5, 0.5])


@given(weights=weights_, fairness=st.floats(0, 1), room=st.floats(0.5, 5))
def test_a_limit_is_kept_and_makes_shares_no_less_fair(weights, fairness, room):
    shares = quotas(np.array(weights), fairness)
    most = room / len(weights)
    found = capped(shares, most)
    assert found.sum() == pytest.approx(1.0)
    assert found.max() <= max(most, 1 / len(weights)) * (1 + 1e-6)
    assert jain(found) >= jain(shares) - 1e-9
