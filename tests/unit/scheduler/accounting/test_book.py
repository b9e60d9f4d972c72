"""The book holds every piece of work once, and settles it when all of it has been measured."""

import math
from datetime import timedelta

import pytest
from hypothesis import given

from scheduler.accounting.booking import Booking
from scheduler.carbon.family import Family
from scheduler.ledger.events import RunEnded, UpdateAccepted, UpdateLate, UpdateRefused
from tests.unit.scheduler.story import HOUR, MINUTE, NOON, Story, given_up, history, spec, steps

MARGINAL = Family("marginal", "direct", "production")
ALL_TIME = {"since": NOON - timedelta(days=400), "until": NOON + timedelta(days=400)}


def under_way() -> Story:
    """Return the story of a run whose first round has just invited everybody, at noon."""
    told = Story("a", "b", "c")
    told.start(spec(rounds=9))
    told.plan("a", "b", "c")
    return told


def outcomes(told: Story) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for booking in told.state.book:
        found.setdefault(booking.client, []).append(booking.outcome)
    return found


def only(told: Story) -> Booking:
    (booking,) = told.state.book
    return booking


def test_every_outcome_is_booked_under_its_name():
    told = under_way()
    told.answer("a", outcome="declined")
    told.answer("b", outcome="failed")
    told.book(UpdateRefused, told.receipt("c"))
    assert outcomes(told) == {"a": ["declined"], "b": ["failed"], "c": ["refused"]}


def test_work_that_was_given_up_is_lost_and_of_unknown_energy():
    told = under_way()
    told.tell(given_up("deadline"), run="r", number=1, client="a")
    lost = only(told)
    assert (lost.outcome, lost.energy_wh, lost.gco2eq, lost.started_at) == (
        "lost",
        None,
        None,
        None,
    )
    assert told.state.runs["r"].totals.unreported == 1


def test_lost_work_that_is_answered_after_all_is_replaced_not_doubled():
    told = under_way()
    told.tell(given_up("deadline"), run="r", number=1, client="a")
    told.answer("b")
    told.answer("c")
    told.close()
    receipt = told.receipt("a")
    for _ in range(2):
        told.book(UpdateLate, receipt)
    assert outcomes(told)["a"] == ["late"]
    assert told.state.runs["r"].totals.unreported == 0
    assert told.state.runs["r"].uncounted_wh == 2.0


def test_work_that_is_given_up_twice_is_lost_once():
    told = under_way()
    for _ in range(2):
        told.tell(given_up("deadline"), run="r", number=1, client="a")
        told.plan("a")
    assert outcomes(told) == {"a": ["lost"]}


def test_who_has_not_answered_when_a_round_closes_or_a_run_ends_is_lost_until_it_does():
    told = under_way()
    told.answer("a")
    told.answer("b")
    told.close()
    told.plan("a", "b")
    told.later(HOUR)
    told.answer("a")
    told.tell(RunEnded(reason="stopped"), run="r")
    assert outcomes(told) == {"a": ["counted", "cut_off"], "b": ["counted", "lost"], "c": ["lost"]}
    told.answer("b", "late", round=2)
    assert outcomes(told)["b"] == ["counted", "late"]


def test_work_booked_as_refused_that_counts_after_all_is_counted_once():
    told = under_way()
    receipt = told.receipt("a")
    told.book(UpdateLate, receipt)
    told.book(UpdateAccepted, receipt)
    assert only(told).outcome == "counted"
    assert told.state.runs["r"].uncounted_wh == 0.0
    assert told.state.runs["r"].totals.counted_wh == 2.0


def test_a_booking_is_settled_when_the_whole_of_it_has_been_measured():
    told = under_way()
    told.later(90 * MINUTE)
    told.book(UpdateAccepted, told.receipt("a", started_at=NOON + HOUR / 2))  # 12:30 to 13:30
    told.settle("FR", (NOON, 80.0))
    assert only(told).settled is None
    told.settle("FR", (NOON + HOUR, 120.0))
    assert only(told).settled_gco2eq == pytest.approx(0.2)  # 2 Wh at (80 + 120) / 2
    assert only(told).gco2eq == pytest.approx(0.1)
    assert told.state.runs["r"].totals.settled_gco2eq == pytest.approx(0.2)


def test_work_that_is_told_of_after_its_hour_was_measured_is_settled_at_once():
    told = under_way()
    told.settle("FR", (NOON - HOUR, 80.0))
    told.answer("a")
    assert only(told).settled_gco2eq == pytest.approx(0.16)


def test_a_revised_measurement_replaces_the_one_before():
    told = under_way()
    told.answer("a")
    for value in (80.0, 90.0):
        told.settle("FR", (NOON - HOUR, value))
    assert only(told).settled_gco2eq == pytest.approx(0.18)
    assert told.state.runs["r"].totals.settled_gco2eq == pytest.approx(0.18)


def test_readings_of_another_zone_hour_or_family_settle_nothing():
    told = under_way()
    told.answer("a")
    told.settle("DE", (NOON - HOUR, 80.0))
    told.settle("FR", (NOON, 80.0))
    told.settle("FR", (NOON - HOUR, 80.0), family=MARGINAL)
    assert only(told).settled is None


def test_work_of_unknown_intensity_is_unknown_until_it_is_measured():
    told = under_way()
    told.book(UpdateAccepted, told.receipt("a"), None)
    totals = told.state.runs["r"].totals
    assert (totals.unknown_wh, totals.gco2eq, totals.settled_gco2eq) == (2.0, 0.0, 0.0)
    told.settle("FR", (NOON - HOUR, 80.0))
    assert (totals.unknown_wh, totals.gco2eq) == (0.0, 0.0)
    assert totals.settled_gco2eq == pytest.approx(0.16)


def test_grams_of_another_family_are_added_to_none_of_ours():
    told = under_way()
    told.answer("b")
    told.book(UpdateAccepted, told.receipt("a"), 900.0, family=MARGINAL)
    totals = told.state.runs["r"].totals
    assert (totals.gco2eq, totals.settled_gco2eq) == pytest.approx((0.1, 0.1))
    assert (totals.apart_gco2eq, totals.unknown_wh) == pytest.approx((1.8, 2.0))
    told.settle("FR", (NOON - HOUR, 60.0))  # of our family: now it is known in it
    assert totals.settled_gco2eq == pytest.approx(0.12 + 0.12)
    assert (totals.apart_gco2eq, totals.unknown_wh) == (0.0, 0.0)


def test_hours_of_the_work_and_of_its_baseline_are_wanted_until_they_are_measured():
    told = Story("a", "b")
    told.start()
    told.later(6 * HOUR)
    told.plan("a", "b")
    told.later(HOUR)
    told.answer("a", started_at=told.now - HOUR)  # 18:00 to 19:00; without waiting, from 12:00
    told.answer("b", started_at=told.now - HOUR)
    book = told.state.book
    assert book.unsettled(**ALL_TIME) == {"FR": [(NOON + 6 * HOUR, NOON + 7 * HOUR)]}
    told.close()
    wanted = [(NOON, NOON + HOUR), (NOON + 6 * HOUR, NOON + 7 * HOUR)]
    assert book.unsettled(**ALL_TIME) == {"FR": wanted}
    assert book.unsettled(since=NOON + HOUR, until=NOON + 9 * HOUR) == {"FR": wanted[1:]}
    assert book.unsettled(since=NOON, until=NOON + 6.5 * HOUR) == {"FR": wanted[:1]}
    told.settle("FR", (NOON + 6 * HOUR, 50.0), (NOON, 50.0))
    assert book.unsettled(**ALL_TIME) == {}


def test_neighbouring_hours_are_wanted_in_one_piece():
    told = under_way()
    told.later(150 * MINUTE)
    told.answer("a", started_at=NOON + HOUR / 2)
    assert told.state.book.unsettled(**ALL_TIME) == {"FR": [(NOON, NOON + 3 * HOUR)]}


@given(steps=steps)
def test_the_sums_of_the_book_are_the_figures_of_run_and_clients(steps):
    told = history(steps)
    run, book = told.state.runs["r"], list(told.state.book)

    def close_to(*values: float | None) -> object:
        return pytest.approx(math.fsum(value or 0.0 for value in values), abs=1e-9)

    counted = [b for b in book if b.outcome == "counted"]
    others = [b for b in book if b.outcome != "counted"]
    assert run.uncounted_wh == close_to(*(b.energy_wh for b in others))
    assert run.uncounted_gco2eq == close_to(*(b.gco2eq for b in others))
    assert run.spent_gco2eq == close_to(*(b.gco2eq for b in book))
    assert run.totals.settled_gco2eq == close_to(*(b.settled_gco2eq for b in book))
    assert run.totals.unreported == sum(b.energy is None for b in book)
    in_closed = [b for b in counted if b.round <= len(run.closed)]
    assert run.counted_gco2eq == close_to(*(b.gco2eq for b in in_closed))
    for client in told.state.clients.values():
        ours = [b for b in book if b.client == client.id]
        assert client.energy_wh == close_to(*(b.energy_wh for b in ours))
        assert client.gco2eq == close_to(*(b.gco2eq for b in ours))


@given(steps=steps)
def test_no_two_bookings_are_of_the_same_work(steps):
    book = list(history(steps).state.book)
    works = [(b.run, b.round, b.client, b.started_at) for b in book]
    assert len(set(works)) == len(works)
