"""Settling: what was booked on an estimate or a forecast is measured by now; record it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from common.log import get_logger
from scheduler.accounting.book import Interval
from scheduler.carbon.family import Family
from scheduler.carbon.reading import Reading
from scheduler.carbon.refresh import refresh_past
from scheduler.carbon.zone_history import ZoneHistory
from scheduler.ledger.event import Draft
from scheduler.ledger.events import GridSettled
from tasks.coordinator.coordinator import Coordinator
from tasks.coordinator.sources import for_each_zone

_log = get_logger(__name__)

_GIVEN_UP = timedelta(days=7)
"""What no source has measured a week later will not be."""

_ESTIMATES_STAND = timedelta(days=1)
"""An estimate that nobody has replaced after a day is the best there will be."""


def settle(c: Coordinator) -> None:
    """Record measured intensities for the hours in which work ran, and of its baseline.

    The refresh has most of them already; what it lacks is asked for.
    """
    if c.histories is None or c.sources is None:
        return
    now = c.clock.now()
    wanted = c.ledger.state().book.unsettled(since=now - _GIVEN_UP, until=now)
    known = c.histories.load(wanted)
    late = {
        zone: history
        for zone, history in known.items()
        if not _all_found(history, _old(wanted[zone], now), c.grid.family, now)
    }
    known |= _asked(c, late, wanted, now)
    readings = {
        zone: tuple(r.to_record() for r in _found(known[zone], spans, c.grid.family, now))
        for zone, spans in wanted.items()
    }
    readings = {zone: found for zone, found in readings.items() if found}
    if readings:
        with c.ledger.transaction() as tx:
            tx.append(Draft(GridSettled(readings=readings)))
        _log.info("carbon.settled", zones=len(readings), hours=sum(map(len, readings.values())))


def _asked(
    c: Coordinator, late: dict[str, ZoneHistory], wanted: dict[str, list[Interval]], now: datetime
) -> dict[str, ZoneHistory]:
    """Return the zone histories after asking their first source for the hours they lack."""
    assert c.histories is not None  # noqa: S101 - checked by the caller, for the type checker
    assert c.sources is not None  # noqa: S101 - (the same)
    sources = c.sources

    async def ask(known: ZoneHistory) -> ZoneHistory:
        spans = wanted[known.zone]
        chain = sources.chain(known.zone)
        return await refresh_past(known, chain, spans[0][0], spans[-1][1], now=now)

    with c.histories.flight(late) as zones:
        news = sources.run(for_each_zone([late[zone] for zone in zones], ask))
        c.histories.save(news)
    return dict(news)


def _old(spans: Iterable[Interval], now: datetime) -> list[Interval]:
    """Return the parts of spans that the hourly refresh no longer asks for."""
    last = now - _ESTIMATES_STAND
    return [(start, min(end, last)) for start, end in spans if start < last]


def _all_found(
    known: ZoneHistory, spans: Iterable[Interval], family: Family, now: datetime
) -> bool:
    hours = sum((end - start for start, end in spans), timedelta())
    found = _found(known, spans, family, now)
    return sum((r.end - r.start for r in found), timedelta()) >= hours


def _found(
    known: ZoneHistory, spans: Iterable[Interval], family: Family, now: datetime
) -> list[Reading]:
    return [
        reading
        for start, end in spans
        for reading in known.between(start, end)
        if reading.family == family and _stands(reading, now)
    ]


def _stands(reading: Reading, now: datetime) -> bool:
    if reading.quality == "measured":
        return True
    return reading.quality == "estimated" and now - reading.end >= _ESTIMATES_STAND
