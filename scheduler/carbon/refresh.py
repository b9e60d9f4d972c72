"""Refreshing a zone history from its chain of sources: the best first, then its fallbacks.

An outage is bridged for a while, by the source's own forecast or by its last figure carried on and
labelled; only then the next source stands in. The active source also provides its measurements
since and its forecast; without one, Fairwind makes a forecast from the source's past.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from common.errors import SignalError, SignalNotOffered
from scheduler.carbon.forecast import forecast
from scheduler.carbon.provider import Provider
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR, slot_start
from scheduler.carbon.zone_history import ZoneHistory

BACKFILL = timedelta(days=28)
"""The past that is read at first: enough for a forecast with a weekly shape."""

_REVISED = timedelta(days=1)
"""Sources replace estimates by measurements within about a day."""

_HORIZON_H = 48


async def refresh_now(
    known: ZoneHistory, chain: Sequence[Provider], *, now: datetime, bridged: timedelta
) -> ZoneHistory:
    """Return the zone history with a figure for now from the first source that has one.

    Args:
        known: What is known of the zone.
        chain: Its sources, best first.
        now: The time on the grid clock.
        bridged: How long an outage is bridged before the next source stands in.
    """
    names = [provider.name for provider in chain]
    for provider in chain:
        if known.is_fresh(provider.name, now):
            return known
        try:
            news = await provider.now(known.zone)
        except SignalError as error:
            known = known.missed(provider.name, str(error))
        else:
            known = known.learn_now(provider.name, news, names, now)
            if known.is_fresh(provider.name, now):
                return known
        carried = known.bridge(provider.name, now, bridged)
        if carried is not None:
            return carried
        known = known.without_forecasts(provider.name, now)
    return known


async def refresh_around(
    known: ZoneHistory, chain: Sequence[Provider], *, now: datetime
) -> ZoneHistory:
    """Return the zone history with past and forecast of the active source, once an hour."""
    holds = known.reading_at(now)
    provider = next((p for p in chain if holds and p.name == holds.source), None)
    if provider is None:
        return known
    names = [p.name for p in chain]
    hour, before = slot_start(now), known
    if known.past_at.get(provider.name, hour - HOUR) < hour:
        known = await _add_past(known, provider, names, now)
    if known.future_at.get(provider.name, hour - HOUR) < hour:
        known = await _add_forecast(known, provider, names, now)
    return known if known is before else known.thinned(now - _REVISED)


async def refresh_past(
    known: ZoneHistory, chain: Sequence[Provider], start: datetime, end: datetime, *, now: datetime
) -> ZoneHistory:
    """Return the zone history with what the first source measured in `[start, end)`."""
    try:
        news = await chain[0].past(known.zone, start, end)
    except SignalError:
        return known
    return known.learn(chain[0].name, news, [p.name for p in chain], now)


async def _add_past(
    known: ZoneHistory, provider: Provider, names: Sequence[str], now: datetime
) -> ZoneHistory:
    since = known.past_at.get(provider.name)
    start = now - BACKFILL if since is None else since - _REVISED
    news: list[Reading] = []
    try:
        news = await provider.past(known.zone, start, now)
    except SignalNotOffered:
        pass
    except SignalError:
        return known
    known = replace(known, past_at={**known.past_at, provider.name: now})
    return known.learn(provider.name, news, names, now) if news else known


async def _add_forecast(
    known: ZoneHistory, provider: Provider, names: Sequence[str], now: datetime
) -> ZoneHistory:
    news: Sequence[Reading] = ()
    with suppress(SignalError):
        news = await provider.future(known.zone)
    if not news:
        made = forecast(known.zone, known.past_of(provider.name, now), now=now, hours=_HORIZON_H)
        news = made.readings if made else ()
    future_at = {**known.future_at, provider.name: now}
    return replace(known.supplement(news, names, now), future_at=future_at)
