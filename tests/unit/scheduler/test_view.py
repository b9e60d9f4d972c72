"""The view tells a run as it stands, and says what is unknown."""

from typing import Any

import pytest

from common.clock import GridClock
from common.errors import FederationError
from scheduler.view import summary, verdict, view
from tests.unit.scheduler.story import HOUR, Story, spec


def seen(told: Story, run: str | None = None) -> dict[str, Any]:
    return view(told.state, run, clock=GridClock(), threshold=200.0, ceiling=1000.0)


def said(told: Story) -> str:
    return verdict(told.state, told.state.runs.get("r"))


def test_without_a_run_the_command_that_starts_one_is_shown():
    assert "fairwind run start" in said(Story("a"))


def test_who_trains_and_who_waits_for_cleaner_power_is_named():
    told = Story("a", "b", "c")
    told.gate("c", "closed")
    told.start()
    told.plan("a", "b")
    assert said(told) == "Training at a and b; c waits for cleaner power."


def test_a_round_that_waits_says_how_many_gates_are_open():
    told = Story("a", "b")
    told.gate("b", "closed")
    told.start()
    assert "of the 2 clients a round needs, 1 is alive with an open gate" in said(told)


def test_a_round_nobody_is_left_to_answer_in_says_so():
    told = Story("a", "b")
    told.start()
    told.plan("a", "b")
    told.answer("a")
    told.answer("b", outcome="declined")
    assert said(told).startswith("Round 1 has 1 of the 2 updates it needs, and there is nobody")


def test_an_ended_run_says_why():
    told = Story("a", "b")
    told.start()
    told.tell("run.ended", run="r", reason="grams", text="")
    assert said(told) == "r has ended: its gram budget is spent."


def test_the_open_round_is_shown_without_figures():
    told = Story("a", "b")
    told.start()
    told.plan("a", "b")
    row = seen(told)["rounds"][-1]
    assert (row["round"], row["ended"], row["gco2eq"]) == (1, None, None)
    assert row["cohort"] == ["a", "b"]


def test_an_unknown_baseline_is_unknown_in_every_sum():
    told = Story("a", "b")
    run = told.start()
    told.plan("a", "b")
    told.answer("a")
    told.answer("b")
    told.later(HOUR)
    told.close()
    figures = summary(run)
    # Two updates of 2 Wh at 50 gCO2eq/kWh.
    assert figures["emitted_gco2eq"] == pytest.approx(0.2)
    assert figures["baseline_gco2eq"] is None
    assert figures["avoided_share"] is None
    assert seen(told)["rounds"][0]["cumulative_baseline_gco2eq"] is None


def test_a_run_that_does_not_exist_is_an_error_that_names_those_that_do():
    told = Story("a")
    told.start(spec(id="heart-1"))
    with pytest.raises(FederationError, match="There are: heart-1"):
        seen(told, "heart-2")
