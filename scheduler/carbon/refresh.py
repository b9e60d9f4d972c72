"""Refreshing an almanac from a chain of live sources: the best first, the next where it is silent.

A silence is bridged for a while, by the source's own forecast or by its last figure carried on and
labelled; only then the next source is asked. Whoever speaks is also asked for what it has measured
since, and for its forecast; a source without one is forecast by us from its own past.
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
"""The past asked for at first: enough for a forecast that knows weeks."""

_REVISED = timedelta(days=1)
"""Sources replace estimates by measurements within about a day."""

_HORIZON_H = 48


async def hear_now(
    known: ZoneHistory, chain: Sequence[Provider], *, now: datetime, bridged: timedelta
) -> ZoneHistory:
    """Return the almanac with a figure for now from the first source that has one.

    Args:
        known: What is known of the zone.
        chain: Its sources, best first.
        now: The time on the grid clock.
        bridged: How long a source's silence is bridged before the next is asked.
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
        known = known.without_guesses(provider.name, now)
    return known


async def hear_more(known: ZoneHistory, chain: Sequence[Provider], *, now: datetime) -> ZoneHistory:
    """Return the almanac with the past and the forecast of the source that speaks, once an hour."""
    speaks = known.reading_at(now)
    provider = next((p for p in chain if speaks and p.name == speaks.source), None)
    if provider is None:
        return known
    names = [p.name for p in chain]
    hour, before = slot_start(now), known
    if known.past_at.get(provider.name, hour - HOUR) < hour:
        known = await _hear_past(known, provider, names, now)
    if known.future_at.get(provider.name, hour - HOUR) < hour:
        known = await _hear_future(known, provider, names, now)
    return known if known is before else known.thinned(now - _REVISED)


async def hear_past(
    known: ZoneHistory, chain: Sequence[Provider], start: datetime, end: datetime, *, now: datetime
) -> ZoneHistory:
    """Return the almanac with what the first source of the chain has measured in `[start, end)`."""
    try:
        news = await chain[0].past(known.zone, start, end)
    except SignalError:
        return known
    return known.learn(chain[0].name, news, [p.name for p in chain], now)


async def _hear_past(
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
    told = replace(known, past_at={**known.past_at, provider.name: now})
    return told.learn(provider.name, news, names, now) if news else told


async def _hear_future(
    known: ZoneHistory, provider: Provider, names: Sequence[str], now: datetime
) -> ZoneHistory:
    news: Sequence[Reading] = ()
    with suppress(SignalError):
        news = await provider.future(known.zone)
    if not news:
        made = forecast(known.zone, known.past_of(provider.name, now), now=now, hours=_HORIZON_H)
        news = made.readings if made else ()
    told = {**known.future_at, provider.name: now}
    return replace(known.supplement(news, names, now), future_at=told)
