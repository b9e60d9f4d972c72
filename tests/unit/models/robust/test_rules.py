"""What each rule makes of a few updates, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from common.errors import UpdateError
from common.robust import parse_robust
from models.robust.robust_mean import RobustMean, robust_mean
from models.robust.rows import StackedRows

BOUND = 1000.0


def combined(rows: list[list[float]], rule: str, *, norm_bound: float = BOUND) -> RobustMean:
    updates = StackedRows({"w": torch.tensor(rows)})
    return robust_mean(updates, parse_robust(rule), norm_bound=norm_bound)


def mean_of(rows: list[list[float]], rule: str) -> list[float]:
    return list(combined(rows, rule).means["w"].tolist())


ONE_LIAR = [[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [4.0, 1.0], [100.0, -50.0]]


def test_median_is_the_value_in_the_middle_of_each_coordinate():
    assert mean_of(ONE_LIAR, "median") == [3.0, 0.0]


def test_median_of_an_even_number_is_the_mean_of_the_two_in_the_middle():
    assert mean_of([[1.0], [2.0], [4.0], [900.0]], "median") == [3.0]


def test_trimmed_mean_leaves_out_the_least_and_the_greatest_of_each_coordinate():
    assert mean_of(ONE_LIAR, "trimmed:1") == [3.0, 0.0]
    assert mean_of(ONE_LIAR, "trimmed:2") == [3.0, 0.0]


def test_trimmed_shares_count_the_coordinates_that_an_update_kept():
    kept = combined([[1.0, 9.0], [2.0, 8.0], [3.0, 1.0]], "trimmed:1").kept
    assert kept.shares == (0.0, 3.0, 0.0)  # both coordinates in the middle are the second's


def test_krum_is_the_update_nearest_to_its_neighbours():
    # f = 1 of 5: three neighbours each. Sums of squares on a line at 0, 1, 2, 4, 90:
    # 0: 1+4+16; 1: 1+1+9 = 11; 2: 1+4+4 = 9; 4: 4+9+16.
    rows = [[0.0], [1.0], [2.0], [4.0], [90.0]]
    assert mean_of(rows, "krum:1") == [2.0]
    assert combined(rows, "krum:1").kept.shares == (0.0, 0.0, 5.0, 0.0, 0.0)


def test_multi_krum_is_the_mean_of_all_but_the_f_worst():
    rows = [[0.0], [1.0], [2.0], [4.0], [90.0]]
    assert mean_of(rows, "multi-krum:1") == [1.75]
    assert combined(rows, "multi-krum:1").kept.shares == (1.25, 1.25, 1.25, 1.25, 0.0)


def test_geometric_median_of_three_on_a_line_is_the_one_between():
    assert mean_of([[0.0], [1.0], [50.0]], "geometric-median") == pytest.approx([1.0], abs=1e-4)


def test_geometric_median_of_updates_most_of_which_agree_is_what_they_agree_on():
    assert mean_of([[3.0], [3.0], [3.0], [70.0]], "geometric-median") == [3.0]


def test_centered_clipping_pulls_by_the_median_norm_at_most():
    # The radius is 2. From 0: (1 + 2 + 2) / 3 = 5/3, then (-2/3 + 1/3 + 2) / 3 = 5/9: 20/9;
    # then (-11/9 - 2/9 + 2) / 3 = 5/27: 65/27.
    means = mean_of([[1.0], [2.0], [900.0]], "centered-clipping")
    assert means == pytest.approx([65 / 27], rel=1e-6)


def test_mixing_takes_neighbours_before_it_trims():
    # f = 1 of 4, three neighbours each. 0, 1, 2 have the neighbours 0, 1, 2: mean 1. 9 has 9, 2, 1:
    # mean 4. Trimmed of 1, 1, 1, 4: 1.
    assert mean_of([[0.0], [1.0], [2.0], [9.0]], "nnm-trimmed:1") == [1.0]


def test_mixing_shares_count_in_how_many_neighbourhoods_an_update_is():
    kept = combined([[0.0], [1.0], [2.0], [9.0]], "nnm-trimmed:1").kept
    assert kept.shares == pytest.approx((1.0, 4 / 3, 4 / 3, 1 / 3))  # 3, 4, 4, 1 of 3


def test_mixing_rejects_an_update_above_ten_times_the_median_norm():
    # Of the other four, with f = 1: 0.9, 1.0 and 1.1 neighbour each other, as do 1.0, 1.1 and 1.3.
    kept = combined([[0.9], [1.0], [1.1], [1.3], [-11.5]], "1").kept
    assert kept.rejected == (4,)
    assert kept.shares == pytest.approx((3 * 5 / 12, 4 * 5 / 12, 4 * 5 / 12, 5 / 12, 0.0))
    assert combined([[0.9], [1.0], [1.1], [1.3], [-10.5]], "1").kept.rejected == ()


def test_the_mean_is_scaled_down_to_the_norm_bound():
    # Each norm is at most 2**0.5, and the median of each coordinate is 1.
    rows = [[1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]
    made = combined(rows, "median", norm_bound=1.5)
    assert made.kept.capped_from == pytest.approx(math.sqrt(3))
    assert made.means["w"].tolist() == pytest.approx([math.sqrt(0.75)] * 3)


@pytest.mark.parametrize(
    ("rule", "count"), [("trimmed:2", 4), ("krum:1", 2), ("median", 2), ("3", 6)]
)
def test_too_few_updates_are_refused(rule: str, count: int):
    with pytest.raises(UpdateError, match="assume fewer liars"):
        combined([[1.0]] * count, rule)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 2000.0])
@pytest.mark.parametrize("rule", ["1", "median", "krum:1"])
def test_a_value_that_was_not_admitted_is_refused(rule: str, wrong: float):
    with pytest.raises(UpdateError, match="norm bound"):
        combined([[1.0], [1.0], [wrong]], rule)


def test_tensors_and_dtypes_are_the_signatures():
    deltas = {
        "a": torch.ones(3, 2, 2, dtype=torch.bfloat16),
        "b": torch.ones(3, 5, dtype=torch.float64),
        "c": torch.ones(3, dtype=torch.float32),
    }
    for rule in ("1", "median", "krum:1", "geometric-median"):
        means = robust_mean(StackedRows(deltas), parse_robust(rule), norm_bound=BOUND).means
        assert {n: (t.dtype, tuple(t.shape)) for n, t in means.items()} == {
            "a": (torch.float32, (2, 2)), "b": (torch.float64, (5,)), "c": (torch.float32, ()),
        }  # fmt: skip
        assert all((t == 1).all() for t in means.values())


def byzfl_updates() -> Tensor:
    generator = torch.Generator().manual_seed(7)
    updates = torch.randn(11, 200, generator=generator)
    updates[:3] = 4 * torch.randn(3, 200, generator=generator) - 1
    return updates


def test_the_rules_are_those_of_byzfl():
    byzfl = pytest.importorskip("byzfl.aggregators.aggregators")
    nnm = pytest.importorskip("byzfl.aggregators.preaggregators").NNM(3)
    updates = byzfl_updates().double()
    vectors = updates.numpy()
    for rule, theirs in {
        "median": byzfl.Median()(vectors),
        "trimmed:3": byzfl.TrMean(3)(vectors),
        "krum:3": byzfl.Krum(3)(vectors),
        "multi-krum:3": byzfl.MultiKrum(3)(vectors),
        "geometric-median": byzfl.GeometricMedian(nu=1e-6, T=20)(vectors),
        "centered-clipping": byzfl.CenteredClipping(
            L=3, tau=float(np.median(np.linalg.norm(vectors, axis=1)))
        )(vectors),
        "nnm-trimmed:3": byzfl.TrMean(3)(nnm(vectors)),
    }.items():
        ours = robust_mean(StackedRows({"w": updates}), parse_robust(rule), norm_bound=BOUND)
        assert ours.means["w"].numpy() == pytest.approx(theirs, rel=1e-4, abs=2e-5), rule
