"""The price of waiting, as `run start` says it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tasks.cli.waiting_price import price_of_waiting
from tests.unit.scheduler.story import HOUR, NOON, Story, spec


def story_of_rounds(*, idle_w: float | None = None) -> Story:
    """Return a story of two clients that closed a round of an hour."""
    story = Story("a", "b")
    run = story.start()
    story.plan("a", "b")
    story.answer("a")
    story.answer("b")
    story.close()
    run.closed.recent[0] = replace(run.closed.recent[0], started=NOON, ended=NOON + HOUR)
    for client in story.state.clients.values():
        client.idle_w = idle_w
    return story


def price(story: Story, **asked: Any) -> str:
    waits = {"policy_options": {"wait": 1.0}, "id": "next"}
    return price_of_waiting(spec(**(waits | asked)), story.state)


@pytest.mark.parametrize(
    ("asked", "lacks"),
    [({"rounds": 3}, "--hours"), ({"hours": 9.0, "rounds": None}, "--rounds or --grams")],
)
def test_a_run_without_time_to_spare_is_named(asked: dict[str, Any], lacks: str) -> None:
    assert f"wait=1 changes nothing without {lacks}" in price(Story("a"), **asked)


def test_hours_follow_from_earlier_rounds_of_the_workload_and_energy_from_idle_watts() -> None:
    # 24 h less ten rounds of one hour; two sites of 50 W.
    said = price(story_of_rounds(idle_w=50.0), rounds=10, hours=24.0)
    assert said.startswith(
        "wait=1 may make the run take all of its 24 h, 14 h more than its 10 rounds one after the "
        "other. Meanwhile 2 reserved sites would use up to 1.4 kWh. What it saves by the forecast:"
    )


def test_what_is_unknown_is_said_as_unknown() -> None:
    assert "What that costs is unknown: no site states" in price(
        story_of_rounds(), rounds=10, hours=24.0
    )
    assert "is unknown: no run of digits has closed a round yet" in price(
        Story("a"), rounds=10, hours=24.0
    )
    assert "is unknown: it has no number of rounds" in price(
        story_of_rounds(), rounds=None, grams=5.0, hours=24.0
    )
