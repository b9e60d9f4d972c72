"""Durations as people write them."""

import pytest

from common.duration import parse_duration


@pytest.mark.parametrize(
    ("text", "hours"),
    [("48", 48), ("2d", 48), ("48h", 48), ("90min", 1.5), ("1h30", 1.5), ("1h30m", 1.5),
     ("1 d 6 h", 30), ("1.5h", 1.5), ("3600s", 1)],
)  # fmt: skip
def test_a_duration_is_read_in_any_unit(text, hours):
    assert parse_duration(text, "h") == hours


@pytest.mark.parametrize("text", ["", "soon", "-2h", "2x", "h", "30min2h", "1h1h", "45s3"])
def test_what_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="Write it as 2d, 48h, 90min, 1h30 or 45s"):
        parse_duration(text, "h")
