"""Who scores a run's last version: all of its last cohort, if they are free within an hour."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scheduler.selection.plan import plan_scoring
from tests.unit.scheduler.selection.test_plan import client, situation
from tests.unit.scheduler.selection.test_plan_laws import closed_round
from tests.unit.scheduler.story import NOON, gate

CLOSED = closed_round(10, {"a", "b", "c"})
"""It ended at noon."""


@pytest.mark.parametrize(
    ("minutes", "busy", "cohort", "waiting"),
    [
        (0, set(), ("a", "b", "c"), None),
        (59, {"b"}, (), "too_few"),
        (60, {"b"}, ("a", "c"), None),
        (60, {"a", "b", "c"}, (), "too_few"),
        (0, {"other"}, ("a", "b", "c"), None),
    ],
)
def test_those_that_work_for_another_run_are_waited_for_an_hour(minutes, busy, cohort, waiting):
    now = situation(
        *(client(name) for name in ("a", "b", "c", "other")),
        busy=frozenset(busy), now=NOON + timedelta(minutes=minutes),
    )  # fmt: skip
    made = plan_scoring(now, CLOSED)
    assert (made.cohort, made.waiting) == (cohort, waiting)


def test_those_whose_gate_is_closed_are_not_waited_for():
    people = [client(name) for name in ("a", "b", "c")]
    gates = {"a": gate(), "b": gate("closed"), "c": gate()}
    made = plan_scoring(situation(*people, gates=gates), CLOSED)
    assert made.cohort == ("a", "c")
