"""Refreshing asks the best source once a slot, bridges its silence, and only then asks the next."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from common.errors import SignalNotOffered, SignalUnavailable
from scheduler.carbon.family import FLOW_TRACED, Family
from scheduler.carbon.reading import Reading
from scheduler.carbon.refresh import refresh_around, refresh_now, refresh_past
from scheduler.carbon.zone_history import ZoneHistory

NOON = datetime(2026, 7, 8, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MARGINAL = Family("marginal", "direct", "production")


class Source:
    """A source with hourly figures, which can fall silent and has a forecast or not."""

    def __init__(self, name="first", family=FLOW_TRACED, *, forecasts=False) -> None:
        self.name, self.family, self.forecasts = name, family, forecasts
        self.at = NOON
        self.fault: Exception | None = None
        self.asked: Counter[str] = Counter()

    def figure(self, start: datetime, **changes) -> Reading:
        value = 100.0 + start.hour
        plain = Reading("FR", start, start + HOUR, value, self.name, self.family, "estimated")
        return replace(plain, **changes)

    def _answer(self, question: str) -> None:
        self.asked[question] += 1
        if self.fault:
            raise self.fault

    async def close(self) -> None:
        pass

    async def zones(self) -> tuple[str, ...]:
        return ("FR",)

    async def now(self, zone: str) -> list[Reading]:
        self._answer("now")
        return [self.figure(self.at.replace(minute=0))]

    async def past(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        self._answer("past")
        first = start.replace(minute=0)
        hours = range((end - first) // HOUR)
        return [self.figure(first + n * HOUR, quality="measured") for n in hours]

    async def future(self, zone: str) -> list[Reading]:
        self._answer("future")
        if not self.forecasts:
            msg = "not in the plan"
            raise SignalNotOffered(msg)
        start = self.at.replace(minute=0)
        return [
            self.figure(start + n * HOUR, quality="forecast", issued_at=self.at) for n in range(25)
        ]


DOWN = SignalUnavailable("first is down")


def now_of(known: ZoneHistory, *chain: Source, at=NOON, bridged=2 * HOUR) -> ZoneHistory:
    for source in chain:
        source.at = at
    return asyncio.run(refresh_now(known, chain, now=at, bridged=bridged))


def more_of(known: ZoneHistory, *chain: Source, at=NOON) -> ZoneHistory:
    for source in chain:
        source.at = at
    return asyncio.run(refresh_around(known, chain, now=at))


def test_a_slot_is_asked_for_once():
    first = Source()
    known = now_of(ZoneHistory("FR"), first)
    known = now_of(known, first, at=NOON + HOUR / 2)
    assert first.asked["now"] == 1
    now_of(known, first, at=NOON + HOUR)
    assert first.asked["now"] == 2


def test_the_next_source_is_not_asked_while_the_first_answers():
    first, second = Source(), Source("second")
    now_of(ZoneHistory("FR"), first, second)
    assert second.asked["now"] == 0


def test_a_short_silence_is_bridged_before_the_next_source_is_asked():
    first, second = Source(), Source("second")
    known = now_of(ZoneHistory("FR"), first, second)
    first.fault = DOWN
    known = now_of(known, first, second, at=NOON + HOUR)
    holds = known.reading_at(NOON + HOUR)
    assert holds is not None
    assert (holds.source, holds.quality, second.asked["now"]) == ("first", "stale", 0)
    assert known.faults == {"first": "first is down"}


def test_after_a_long_silence_the_next_source_speaks_and_the_reason_is_kept():
    first, second = Source(), Source("second", MARGINAL)
    known = now_of(ZoneHistory("FR"), first, second)
    first.fault = DOWN
    at = NOON + 3 * HOUR
    known = now_of(known, first, second, at=at)
    holds = known.reading_at(at)
    assert holds is not None
    assert (holds.source, holds.family) == ("second", MARGINAL)
    assert known.faults["first"] == "first is down"
    first.fault = None
    known = now_of(known, first, second, at=at + HOUR / 2)
    holds = known.reading_at(at + HOUR / 2)
    assert holds is not None
    assert (holds.source, dict(known.faults)) == ("first", {})


def test_a_forecast_of_the_silent_source_does_not_outlive_the_bridge():
    first, second = Source(forecasts=True), Source("second")
    known = more_of(now_of(ZoneHistory("FR"), first, second), first, second)
    first.fault = DOWN
    for hours, speaks in ((1, "first"), (2, "first"), (3, "second")):
        known = now_of(known, first, second, at=NOON + hours * HOUR)
        holds = known.reading_at(NOON + hours * HOUR)
        assert holds is not None
        assert holds.source == speaks


def test_a_source_that_is_back_is_believed_of_the_hours_to_come():
    first, second = Source(forecasts=True), Source("second")
    second.forecasts = True
    first.fault = DOWN
    known = more_of(now_of(ZoneHistory("FR"), first, second), first, second)
    # As a yearly mean does: it calls its figures of the next days as sure as today's.
    flat = [second.figure(NOON + n * HOUR, quality="modelled") for n in range(1, 48)]
    known = known.supplement(flat, ["first", "second"], NOON)
    first.fault = None
    known = more_of(now_of(known, first, second), first, second)
    for hours in range(24):
        holds = known.reading_at(NOON + hours * HOUR)
        assert holds is not None
        assert holds.source == "first"


def test_with_every_source_down_nothing_is_known_and_every_reason_is_kept():
    first, second = Source(), Source("second")
    first.fault, second.fault = DOWN, SignalUnavailable("second is down, too")
    known = now_of(ZoneHistory("FR"), first, second)
    assert known.reading_at(NOON) is None
    assert set(known.faults) == {"first", "second"}


def test_past_and_forecast_are_asked_for_once_an_hour():
    first = Source(forecasts=True)
    known = more_of(now_of(ZoneHistory("FR"), first), first)
    known = more_of(known, first, at=NOON + HOUR / 2)
    assert (first.asked["past"], first.asked["future"]) == (1, 1)
    known = more_of(now_of(known, first, at=NOON + HOUR), first, at=NOON + HOUR)
    assert (first.asked["past"], first.asked["future"]) == (2, 2)
    # Four weeks of hours, and the forecast's 25.
    assert len(known.between(NOON - 28 * 24 * HOUR, NOON)) == 28 * 24
    assert known.readings[-1].end == NOON + 26 * HOUR


def test_a_refresh_that_learns_nothing_leaves_the_almanac_itself():
    first, second = Source(forecasts=True), Source("second")
    known = more_of(now_of(ZoneHistory("FR"), first, second), first, second)
    again = NOON + HOUR / 2
    assert more_of(now_of(known, first, second, at=again), first, second, at=again) is known
    first.fault = DOWN
    at = NOON + 5 * HOUR
    fallen = more_of(now_of(known, first, second, at=at), first, second, at=at)
    assert now_of(fallen, first, second, at=at + HOUR / 2) is fallen


def test_measured_figures_replace_estimates():
    first = Source()
    known = now_of(ZoneHistory("FR"), first)
    later = NOON + HOUR
    known = more_of(now_of(known, first, at=later), first, at=later)
    holds = known.reading_at(NOON)
    assert holds is not None
    assert holds.quality == "measured"


def test_a_source_without_a_forecast_is_forecast_from_its_own_past():
    first = Source()
    known = more_of(now_of(ZoneHistory("FR"), first), first)
    tomorrow = known.reading_at(NOON + 20 * HOUR)
    assert tomorrow is not None
    assert (tomorrow.source, tomorrow.quality, tomorrow.issued_at) == ("first", "forecast", NOON)
    assert tomorrow.method
    # 100 + the hour of day: 08:00.
    assert tomorrow.gco2eq_per_kwh == pytest.approx(108.0, abs=2.0)


def test_a_failure_to_tell_the_past_is_tried_again_and_a_refusal_is_not():
    first = Source()
    known = now_of(ZoneHistory("FR"), first)
    first.fault = DOWN
    known = more_of(known, first)
    first.fault = SignalNotOffered("not in the plan")
    known = more_of(known, first)
    known = more_of(known, first)
    assert first.asked["past"] == 2


def test_the_measured_past_of_one_span_can_be_asked_for():
    first = Source()
    known = asyncio.run(refresh_past(ZoneHistory("FR"), [first], NOON - 3 * HOUR, NOON, now=NOON))
    assert [r.quality for r in known.readings] == ["measured"] * 3
    first.fault = DOWN
    again = asyncio.run(refresh_past(known, [first], NOON - 9 * HOUR, NOON, now=NOON))
    assert again is known
