from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.schedule import learning_rate_factor, schedule_fault


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("constant", [1, 1, 1, 1, 1]),
        ("linear:4", [1, 0.75, 0.5, 0.25, 0.25]),
        ("exponential:0.5", [1, 0.5, 0.25, 0.125, 0.0625]),
        ("step:2:0.1", [1, 1, 0.1, 0.1, 0.01]),
        ("warmup:3", [0.25, 0.5, 0.75, 1, 1]),
        ("warmup:1,linear:2", [0.5, 1, 0.5, 0.5, 0.5]),
        # (1 + cos(0)) / 2, (1 + cos(pi / 4)) / 2, (1 + cos(pi / 2)) / 2, (1 + cos(3 pi / 4)) / 2
        ("cosine:4", [1, 0.8535533906, 0.5, 0.1464466094, 0.1464466094]),
    ],
)
def test_the_factors_of_five_rounds(schedule: str, factors: list[float]) -> None:
    assert [learning_rate_factor(schedule, r) for r in range(1, 6)] == pytest.approx(factors)


@pytest.mark.parametrize(
    "text",
    ["", "cosine", "cosine:0", "cosine:2.5", "exponential:0", "exponential:1.5", "step:2",
     "step:0:0.5", "warmup:1.5,linear:2", "warmup:1,", "warmup:1,warmup:2", "linear:-3"],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(text: str) -> None:
    fault = schedule_fault(text)
    assert (fault is None) == (text == "warmup:1,")
    assert fault is None or "cosine:ROUNDS" in fault


@given(
    st.sampled_from(["constant", "cosine:7", "linear:9", "exponential:0.3", "step:3:0.01"]),
    st.integers(0, 20), st.integers(1, 10**9),
)  # fmt: skip
def test_every_factor_is_above_nothing_and_at_most_one(kind: str, warm_up: int, r: int) -> None:
    factor = learning_rate_factor(f"warmup:{warm_up},{kind}", r)
    assert 0 < factor <= 1
    assert math.isfinite(factor)
