"""Figures of a run as one line of text."""

from __future__ import annotations

from typing import Any

from tasks.cli.figures import show_score


def score(**given: Any) -> str:
    run = {"metric": "accuracy", "value": None, "first": None, "rounds_done": 0, "reported": None}
    return show_score({**run, **given})


def test_before_any_round_the_score_is_that_of_version_0():
    assert score(first=0.125) == "accuracy 12.5 % (version 0)"
    assert score() == "accuracy unknown"
    assert score(first=0.125, value=0.5, rounds_done=1) == "accuracy 50.0 %"
    assert score(first=0.125, rounds_done=1) == "accuracy unknown"
