"""Updates as words: exact sums, bounded values, and a sum with masks in it found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from common.errors import SecureAggregationError
from common.secagg.ring import CHECK_WORDS, MAX_SITES, Ring


def values_of(values: list[float]) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


RING = Ring(num_values=3, clip=2.0, max_weight=4, max_sites=8, figures={"loss": 10.0})


def test_a_vector_is_values_times_weight_then_weight_figures_and_zeros() -> None:
    # The bound is (2^31 - 1) // 8 = 268435455. At weight 2 of 4 the values are held to half of it,
    # 134217727; 1.0 is half of the clip: 67108863.75, rounded to 67108864. 2.5 of 10: 67108863.75.
    words = RING.quantise(values_of([1.0, -9.0, 0.0]), weight=2, figures={"loss": 2.5})
    expected = [67108864, -134217727, 0, 2, 67108864, *[0] * CHECK_WORDS]
    assert words.view("<i4").tolist() == expected


@given(
    st.lists(
        st.tuples(st.lists(st.floats(-3, 3, width=32), min_size=3, max_size=3), st.integers(1, 4)),
        min_size=1,
        max_size=8,
    )
)
@settings(max_examples=60, deadline=None)
def test_the_mean_is_the_weighted_mean_of_clipped_values_within_a_step(sites) -> None:
    total = np.zeros(RING.num_words, dtype="<u4")
    for values, weight in sites:
        total += RING.quantise(values_of(values), weight=weight, figures={"loss": 1.0})
    RING.check_sum(total, len(sites))
    mean = RING.dequantise(total)
    weights = np.array([weight for _, weight in sites])
    clipped = np.clip(np.array([values for values, _ in sites]), -2.0, 2.0)
    assert mean.weight == weights.sum()
    assert mean.values == pytest.approx(weights @ clipped / weights.sum(), abs=4 * RING.step + 1e-6)
    assert mean.figures["loss"] == pytest.approx(len(sites), rel=1e-6)


def test_what_does_not_fit_the_plan_is_not_quantised() -> None:
    good = {"loss": 0.0}
    for values, weight, figures in (
        ([0.0, 0.0], 1, good), ([0.0] * 3, 5, good), ([0.0] * 3, 0, good), ([0.0] * 3, 1, {}),
    ):  # fmt: skip
        with pytest.raises(SecureAggregationError, match="other values, weight or figures"):
            RING.quantise(values_of(values), weight=weight, figures=figures)
    with pytest.raises(SecureAggregationError, match="not finite"):
        RING.quantise(values_of([0.0, np.nan, 0.0]), figures=good)
    with pytest.raises(SecureAggregationError, match="not finite"):
        RING.quantise(values_of([0.0] * 3), figures={"loss": float("inf")})


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, 2**31 - 1), (0, -(2**31)), (3, 0), (3, 9), (-1, 1), (-CHECK_WORDS, -1)],
)
def test_a_sum_that_is_none_of_updates_is_thrown_away(place, value) -> None:
    total = RING.quantise(values_of([1, 1, 1]), figures={"loss": 1.0})
    total += RING.quantise(values_of([1, 1, 1]), figures={"loss": 1.0})
    RING.check_sum(total, 2)
    total.view("<i4")[place] = value
    with pytest.raises(SecureAggregationError, match="no sum of updates"):
        RING.check_sum(total, 2)


def test_no_sum_of_weights_wraps_around() -> None:
    highest = (2**31 - 1) // MAX_SITES
    ring = Ring(num_values=1, clip=1.0, max_weight=highest, max_sites=MAX_SITES)
    assert ring.max_weight * ring.max_sites < 2**31
    assert ring.bound * ring.max_sites < 2**31
    with pytest.raises(ValidationError, match="less than or equal to"):
        Ring(num_values=1, clip=1.0, max_weight=highest + 1, max_sites=2)
