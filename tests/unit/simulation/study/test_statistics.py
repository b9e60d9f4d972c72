"""Statistics over seeds, by hand."""

from __future__ import annotations

import math

import pytest

from simulation.study.statistics import PairedRatio, estimate, paired_ratio


def test_a_mean_has_the_interval_of_students_t() -> None:
    # Of 1, 2, 3: s = 1, t(0.975, 2) = 4.3027, so half is 4.3027 / sqrt(3) = 2.4841.
    assert estimate([1, 2, 3]).mean == 2
    assert estimate([1, 2, 3]).half == pytest.approx(2.4841, abs=1e-4)
    assert estimate([5]).half is None


def test_a_paired_ratio_is_the_geometric_mean_with_students_interval_on_logarithms() -> None:
    # Ratios e^1, e^2, e^3: mean of logs 2, half the width 2.4841 as of 1, 2, 3 by Student's t.
    theirs = [2.0, 5.0, 7.0]
    ours = [value * math.exp(n) for n, value in enumerate(theirs, start=1)]
    found = paired_ratio(ours, theirs)
    assert found.mean == pytest.approx(math.exp(2))
    assert found.low == pytest.approx(math.exp(2 - 2.4841), rel=1e-4)
    assert found.high == pytest.approx(math.exp(2 + 2.4841), rel=1e-4)
    assert paired_ratio([1.0], [2.0]) == PairedRatio(0.5, None, None)


def test_what_a_date_costs_all_policies_cancels_in_paired_ratios() -> None:
    found = paired_ratio([5.0, 50.0, 500.0], [10.0, 100.0, 1000.0])
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))
