"""What a run may ask for, and when its rounds are due."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from common.robust import Robust
from scheduler.ledger.run_spec import RunSpec
from tests.unit.scheduler.story import NOON, spec


def test_a_run_without_a_schedule_is_due_at_once():
    assert spec().due(NOON) == NOON


@pytest.mark.parametrize(
    ("cron", "due"),
    [
        ("0 22 * * *", datetime(2026, 7, 8, 22, tzinfo=UTC)),
        ("0 12 * * *", datetime(2026, 7, 9, 12, tzinfo=UTC)),  # strictly later
        ("*/30 * * * *", datetime(2026, 7, 8, 12, 30, tzinfo=UTC)),
        ("0 0 * * THU,FRI", datetime(2026, 7, 9, tzinfo=UTC)),
        ("0 0 29 2 *", datetime(2028, 2, 29, tzinfo=UTC)),
    ],
)
def test_a_schedule_makes_a_round_due_at_its_next_occurrence(cron, due):
    assert spec(cron=cron).due(NOON) == due


@pytest.mark.parametrize(
    "cron",
    [
        "",
        "tomorrow",
        "0 25 * * *",
        "0 0 30 2 *",  # no such day in any year
        "R R * * *",  # each reader would draw its own
        "0 H * * *",
        "@daily",
        "0 0 0 * * *",  # with seconds
    ],
)
def test_a_schedule_that_never_comes_due_or_is_not_the_same_for_all_is_refused(cron):
    with pytest.raises(ValidationError, match="give five cron fields"):
        spec(cron=cron)


def test_a_run_must_end():
    with pytest.raises(ValidationError, match="would never end"):
        RunSpec(id="r", workload="digits")


def test_a_quorum_larger_than_the_cohort_is_refused():
    with pytest.raises(ValidationError, match="lower the quorum"):
        spec(cohort=2, quorum=3)


@pytest.mark.parametrize(
    "changes",
    [
        {"hours": float("inf")},
        {"hours": 1e300},  # no calendar has so many
        {"grams": float("nan")},
        {"deadline_s": float("inf")},
        {"deadline_s": 1e12},
        {"norm_bound": float("inf")},
        {"weight_cap": 2**40},
        {"id": "a/b"},
        {"id": ""},
        {"rounds": 0},
        {"unknown": 1},
    ],
)
def test_what_no_run_could_keep_is_refused(changes):
    with pytest.raises(ValidationError):
        spec(**changes)


@pytest.mark.parametrize(
    ("encoding", "error_feedback", "feeds_back"),
    [
        ("float32", None, False), ("bfloat16", None, False), ("mxint8", None, False),
        ("mxint8", True, True), ("topk:0.01", None, True), ("topk:0.01", False, False),
    ],
)  # fmt: skip
def test_what_encoding_loses_is_kept_where_that_is_most_of_it(encoding, error_feedback, feeds_back):
    asked = spec(encoding=encoding, error_feedback=error_feedback)
    assert asked.feeds_errors_back is feeds_back


def test_an_error_that_there_is_not_cannot_be_fed_back():
    with pytest.raises(ValidationError, match="float32 loses nothing: choose another --update"):
        spec(error_feedback=True)


def test_an_update_that_comes_in_parts_is_not_replaced_by_the_next():
    asynchronous = {"mode": "async", "buffer": 2, "bias": "memory"}
    with pytest.raises(ValidationError, match="choose --update mxint8, or another --bias"):
        spec(encoding="topk:0.01", **asynchronous)
    assert not spec(encoding="mxint8", **asynchronous).feeds_errors_back


@pytest.mark.parametrize(
    "encoding", ["topk", "topk:", "topk:0", "topk:0.3", "topk:nan", "topk:1_0", "topk:-0.1", "int8"]
)
def test_an_encoding_that_does_not_exist_or_saves_nothing_is_refused(encoding):
    with pytest.raises(ValidationError, match=r"use one of float32|write topk:0\.01"):
        spec(encoding=encoding)


@given(
    asked=st.fixed_dictionaries(
        {"rounds": st.integers(1, 999)},
        optional={
            "hours": st.floats(0.1, 1e4),
            "grams": st.floats(0.1, 1e9),
            "cohort": st.integers(2, 99),
            "cron": st.sampled_from(["0 22 * * *", "*/5 1-5 * * MON"]),
            "over_selection": st.floats(0, 2),
            "deadline_s": st.floats(0.1, 1e6),
            "seed": st.integers(0, 2**31 - 1),
        },
    )
)
def test_a_run_is_the_same_after_a_way_through_json(asked):
    asked_for = spec(**asked)
    assert RunSpec.model_validate_json(asked_for.model_dump_json()) == asked_for


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"mode": "async"}, "how many updates make a version: give --buffer"),
        ({"buffer": 3}, "buffer belongs to asynchronous runs.*add --mode async"),
        ({"bias": "memory"}, "bias belongs to asynchronous runs.*add --mode async"),
        ({"mode": "async", "buffer": 3, "concurrency": 2}, "concurrency below the buffer"),
        ({"mode": "async", "buffer": 3, "cohort": 4}, "cohort belongs to synchronous rounds"),
        ({"mode": "async", "buffer": 3, "cron": "0 * * * *"}, "cron belongs to synchronous rounds"),
        ({"mode": "async", "buffer": 3, "late": "count"}, "counts old updates anyway"),
    ],
)
def test_options_of_another_mode_are_refused_with_what_would_fit(asked, says):
    with pytest.raises(ValidationError, match=says):
        spec(**asked)


def test_an_asynchronous_run_has_twice_its_buffer_out_unless_it_says_otherwise():
    assert spec(mode="async", buffer=3).most_out == 6
    assert spec(mode="async", buffer=3, concurrency=4).most_out == 4
    assert spec(mode="async", buffer=1).least_updates == 1


def test_a_robust_rule_sets_the_quorum_that_it_needs():
    assert spec(robust="trimmed:3").quorum == 7
    assert spec(robust="2").rule == Robust("nnm-trimmed", 2)
    assert spec(robust="median").quorum == 3
    assert spec(robust="1", quorum=4).quorum == 4
    assert spec().quorum == 2
    assert not spec(robust="mean").is_robust


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        ({"robust": "2", "cohort": 4}, "raise --cohort to 5, or assume fewer liars"),
        ({"robust": "2", "quorum": 4}, "raise --quorum to 5, leave it out, or assume fewer liars"),
        ({"robust": "krum"}, "write krum:1"),
        ({"robust": "median:1"}, "write median"),
        ({"robust": "trimmed:0"}, "or write mean"),
        ({"robust": "1", "mode": "async", "buffer": 3}, "leave out --mode async"),
        ({"robust": "1", "late": "count"}, "leave out --mode async and --late count"),
        ({"robust": "1", "bias": "realised"}, "--bias realised weighs them"),
        ({"robust": "1", "algorithm": "fednova"}, "choose --algorithm fedavg"),
        ({"robust": "1", "algorithm": "scaffold"}, "choose --algorithm fedavg"),
        ({"robust": "1", "encoding": "topk:0.01"}, "choose --update mxint8"),
        (
            {"robust": "1", "encoding": "mxint8", "error_feedback": True},
            "without --error-feedback, or leave out --robust",
        ),
    ],
)
def test_what_does_not_go_with_a_robust_rule_is_refused(asked, fits):
    with pytest.raises(ValidationError, match=fits):
        spec(**asked)
