"""What is measured of one run, by hand."""

from __future__ import annotations

from datetime import timedelta
from statistics import fmean

import pytest

from common.errors import SettingError
from simulation.scenario.hours import Hours
from simulation.study.all_chapters import quick_study
from simulation.study.measures import Row, Yardstick, longest_wait_h, measure, yardstick
from tests.unit.simulation.study.results import falling, outcome

CHAPTER = quick_study()[0]
START = CHAPTER.base.start


def measured(made: object, by: Yardstick) -> Row:
    return measure(CHAPTER, CHAPTER.find("random"), 1, outcome=made, by=by)  # type: ignore[arg-type]


def test_the_target_is_a_share_of_the_unconstrained_runs_last_versions() -> None:
    free = [outcome(0.0, 0.8, 0.8, 0.8, 0.8, 0.8), outcome(0.0, 1.0, 1.0, 1.0, 1.0, 1.0)]
    found = yardstick("accuracy", free, [outcome(0.1), outcome(0.1, 0.2, 0.3)])
    assert found.target == pytest.approx(0.98 * 0.9)
    assert found.reference_gco2eq == pytest.approx(20)


def test_a_run_is_measured_by_three_versions_in_a_row() -> None:
    by = Yardstick("accuracy", target=0.6, reference_gco2eq=200.0)
    found = measured(outcome(0.1, 0.9, 0.3, 0.6, 0.9, 0.9, cohort=("a",)), by)
    # Means of three: 0.433 at 30 g, 0.6 at 40 g, 0.6 at 50 g, 0.8 at 60 g.
    assert (found.grams_to_target, found.at(0.98).hours) == (40.0, 4.5)
    assert found.at_small is None  # 20 g: two versions
    assert found.at_large == pytest.approx(0.8)  # 60 g
    assert found.final == pytest.approx(fmean([0.9, 0.3, 0.6, 0.9, 0.9]))
    assert (found.least, found.jain, found.forecast) == (0, 0.5, "ar1")
    assert found.curve[0] == (30.0, 0.4333)


def test_targets_are_shares_of_the_unconstrained_runs_metric_whichever_way_is_better() -> None:
    # Means of three: 0.7 at 30 g, 0.96 at 40 g, 1.0 at 50 g; the target of 98 % is 0.98.
    found = measured(
        outcome(0.55, 0.55, 1.0, 1.33, 0.67), Yardstick("accuracy", 0.98, 100.0)
    )  # fmt: skip
    assert [(r.share, r.gco2eq, r.hours) for r in found.reached] == [
        (0.95, 40.0, 4.5), (0.98, 50.0, 5.5), (0.99, 50.0, 5.5),
    ]  # fmt: skip
    # An error: the best is 4.9, the targets 4.9 / 0.95 = 5.158, 5.0 and 4.949. Means of three:
    # 6.4 at 30 g, 5.1 at 40 g, 4.97 at 50 g, 4.83 at 60 g.
    falls = measured(falling(9.0, 5.1, 5.1, 5.1, 4.7, 4.7), Yardstick("gap", 5.0, 100.0))
    assert [r.gco2eq for r in falls.reached] == [40.0, 50.0, 60.0]


def test_of_an_error_the_target_is_a_little_more_than_the_unconstrained_runs_have() -> None:
    found = yardstick("gap", [falling(9.0, 4.9, 4.9, 4.9, 4.9, 4.9)], [falling(1.0)])
    assert found.target == pytest.approx(5.0)


def test_a_final_metric_that_no_version_has_is_unknown_and_no_target() -> None:
    assert measured(outcome(0.1, 0.9), Yardstick("auc", 0.6, 200.0)).final is None
    # One run of two knows it: 0.98 * 0.5.
    assert yardstick("gap", [falling(0.49), outcome(0.3)], [outcome(0.1)]).target == 0.5
    with pytest.raises(SettingError, match="has a known auc"):
        yardstick("auc", [outcome(0.3)], [outcome(0.1)])


def test_the_longest_wait_counts_from_the_first_round_to_the_end() -> None:
    assert longest_wait_h(outcome(0.1, 0.2), {}, start=START) == 1
    # b took no part in the 2 hours from the first round to the end.
    assert longest_wait_h(outcome(0.1, 0.2, cohort=("a",)), {}, start=START) == 2


def test_hours_away_are_no_waiting() -> None:
    away = {"b": Hours(iter([START + timedelta(hours=0.5)]))}  # it leaves, and stays away
    assert longest_wait_h(outcome(0.1, 0.2, cohort=("a",)), away, start=START) == 1  # a's
    assert longest_wait_h(outcome(0.1, 0.2, cohort=()), away, start=START) == 2
