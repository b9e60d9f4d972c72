"""A run that is over keeps the readings of its time, however long ago it was."""

from datetime import timedelta

from common.clock import GridClock
from scheduler.federation.run_grid import grid_of
from scheduler.federation.snapshot import dump, load
from scheduler.ledger.events import GridCaughtUp, RunEnded
from scheduler.status.view import view
from tests.unit.scheduler.story import HOUR, NOON, Story, reading

LONG = timedelta(days=60)


def ended() -> Story:
    """Tell of a run of three hours, which found its zone at 100, 110 and 120 gCO2eq/kWh."""
    story = Story("a")
    story.read("FR", 90.0)
    story.later(HOUR)
    story.start()
    for value in (100.0, 110.0, 120.0):
        story.read("FR", value)
        story.later(HOUR)
    story.tell(RunEnded(reason="stopped"), run="r")
    return story


def read_on(story: Story, span: timedelta) -> None:
    """Let an hour of every week be read."""
    until = story.now + span
    while story.now < until:
        story.later(timedelta(days=7))
        story.read("FR", 500.0)


def values(story: Story) -> list[float | None]:
    return grid_of(story.state, story.state.runs["r"])["FR"].values


def test_the_grid_of_a_run_outlives_the_zone_readings() -> None:
    story = ended()
    assert values(story) == [90.0, 100.0, 110.0, 120.0]
    read_on(story, LONG)
    first = story.state.grid["FR"].first
    assert first is not None
    assert first > NOON + 20 * HOUR
    assert values(story) == [90.0, 100.0, 110.0, 120.0]


def test_a_snapshot_keeps_it_too() -> None:
    story = ended()
    read_on(story, LONG)
    page = story.state.runs["r"].grid_page
    assert page in set(story.state.archived())
    story.state = load(dump(story.state), story.state.archive)
    assert values(story) == [90.0, 100.0, 110.0, 120.0]


def test_readings_of_its_hours_that_are_found_later_are_taken_in() -> None:
    story = Story("a")
    story.start()
    story.read("FR", 100.0)
    story.later(HOUR)
    story.read("FR", None)
    story.later(HOUR)
    story.tell(RunEnded(reason="stopped"), run="r")
    assert values(story) == [100.0, None]
    found = reading("FR", 130.0, NOON + HOUR).to_record()
    story.tell(GridCaughtUp(readings={"FR": (found,)}))
    assert values(story) == [100.0, 130.0]


def test_the_page_draws_a_run_that_ended_two_months_ago() -> None:
    story = ended()
    read_on(story, LONG)
    seen = view(story.state, "r", clock=GridClock(), threshold=200.0, ceiling=1000.0)
    zone = seen["zones"][0]
    assert zone["values"] == [90.0, 100.0, 110.0, 120.0]
    assert zone["times"] == [(NOON + n * HOUR).timestamp() for n in range(4)]
    assert (zone["source"], zone["quality"]) == ("test", "measured")


def test_what_is_found_out_after_two_months_takes_nothing_away() -> None:
    story = ended()
    read_on(story, LONG)
    found = reading("GB", 130.0, NOON + HOUR).to_record()
    story.tell(GridCaughtUp(readings={"GB": (found,)}))
    assert values(story) == [90.0, 100.0, 110.0, 120.0]
