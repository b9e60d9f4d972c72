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
    told = Story("a")
    told.read("FR", 90.0)
    told.later(HOUR)
    told.start()
    for value in (100.0, 110.0, 120.0):
        told.read("FR", value)
        told.later(HOUR)
    told.tell(RunEnded(reason="stopped"), run="r")
    return told


def read_on(told: Story, span: timedelta) -> None:
    """Let an hour of every week be read."""
    until = told.now + span
    while told.now < until:
        told.later(timedelta(days=7))
        told.read("FR", 500.0)


def values(told: Story) -> list[float | None]:
    return grid_of(told.state, told.state.runs["r"])["FR"].values


def test_the_grid_of_a_run_outlives_the_zone_readings() -> None:
    told = ended()
    assert values(told) == [90.0, 100.0, 110.0, 120.0]
    read_on(told, LONG)
    first = told.state.grid["FR"].first
    assert first is not None
    assert first > NOON + 20 * HOUR
    assert values(told) == [90.0, 100.0, 110.0, 120.0]


def test_a_snapshot_keeps_it_too() -> None:
    told = ended()
    read_on(told, LONG)
    page = told.state.runs["r"].grid_page
    assert page in set(told.state.archived())
    told.state = load(dump(told.state), told.state.archive)
    assert values(told) == [90.0, 100.0, 110.0, 120.0]


def test_readings_of_its_hours_that_are_found_later_are_taken_in() -> None:
    told = Story("a")
    told.start()
    told.read("FR", 100.0)
    told.later(HOUR)
    told.read("FR", None)
    told.later(HOUR)
    told.tell(RunEnded(reason="stopped"), run="r")
    assert values(told) == [100.0, None]
    found = reading("FR", 130.0, NOON + HOUR).to_record()
    told.tell(GridCaughtUp(readings={"FR": (found,)}))
    assert values(told) == [100.0, 130.0]


def test_the_page_draws_a_run_that_ended_two_months_ago() -> None:
    told = ended()
    read_on(told, LONG)
    seen = view(told.state, "r", clock=GridClock(), threshold=200.0, ceiling=1000.0)
    zone = seen["zones"][0]
    assert zone["values"] == [90.0, 100.0, 110.0, 120.0]
    assert zone["times"] == [(NOON + n * HOUR).timestamp() for n in range(4)]
    assert (zone["source"], zone["quality"]) == ("test", "measured")


def test_what_is_found_out_after_two_months_takes_nothing_away() -> None:
    told = ended()
    read_on(told, LONG)
    found = reading("GB", 130.0, NOON + HOUR).to_record()
    told.tell(GridCaughtUp(readings={"GB": (found,)}))
    assert values(told) == [90.0, 100.0, 110.0, 120.0]
