"""Combinations that are refused: each line of the table has a run that it refuses."""

from __future__ import annotations

from typing import get_args

import pytest

from scheduler.ledger.refused import REFUSED, Feature, Refused, refusal


@pytest.mark.parametrize("line", REFUSED)
def test_each_line_refuses_each_of_its_combinations(line: Refused) -> None:
    for other in line.others:
        said = refusal({line.feature, other})
        assert said is not None
        assert said.endswith(line.fits)
        assert "{" not in said
        assert "\n" not in said


def test_each_feature_is_in_some_line() -> None:
    named = {name for line in REFUSED for name in (line.feature, *line.others)}
    assert named == set(get_args(Feature))


def test_features_alone_are_not_refused() -> None:
    for feature in get_args(Feature):
        assert refusal({feature}) is None
