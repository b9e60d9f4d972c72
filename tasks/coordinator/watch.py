"""Watch: what changes outside: clients that come and go, readings, carbon sources. No decisions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import redis

from common.clock import GridClock, wall_now
from common.keys import redis_key
from common.log import get_logger
from common.settings import Settings
from scheduler.carbon.grid import Grid, ZoneNow
from scheduler.carbon.sources import chain
from scheduler.federation.federation import Federation
from scheduler.ledger.event import Draft
from scheduler.ledger.events import GridCaughtUp, SignalFellBack, SignalRecovered
from scheduler.rounds.observations import grid_events, heartbeat_events
from tasks.coordinator.zone_histories import ZoneHistories
from tasks.messaging.heartbeats import clock_ahead_s, read_heartbeats
from tasks.messaging.queues import queue, send

_IMPATIENT_S = 10.0
"""A zone of which nothing is known is asked about at most this often, wall seconds."""

_CAUGHT_UP = timedelta(days=7)
"""How far back the ledger is completed after an interruption, grid time."""

_MARK = redis_key("whole_since")

_log = get_logger(__name__)


class Watch:
    """Compares what is outside with what the ledger holds.

    Args:
        settings: Which carbon sources are expected where.
        broker: Where workers' heartbeats are.
        clock: The grid clock.
        grid: What holds in each zone now.
        histories: What the carbon sources reported; `None` where the grid is known without them.
        is_signed: Whether only heartbeats that the clients' sites have signed are believed.

    Attributes:
        redis_whole_since: Since when Redis has been there without losing anything, wall clock, as
            far as was seen.
    """

    def __init__(
        self,
        settings: Settings,
        broker: redis.Redis,
        *,
        clock: GridClock,
        grid: Grid,
        histories: ZoneHistories | None,
        is_signed: bool = False,
    ) -> None:
        self._settings = settings
        self._broker = broker
        self._clock = clock
        self._grid = grid
        self._histories = histories
        self._is_signed = is_signed
        self._behind = False
        self._failed = False
        self.redis_whole_since = wall_now()

    def news(self, state: Federation) -> list[Draft]:
        """Return who came and who fell silent, new readings, and changes of the active source."""
        try:
            drafts = self._news(state)
        except redis.RedisError:
            self._failed = True
            raise
        self._mark_redis()
        return drafts

    def _mark_redis(self) -> None:
        """Note since when Redis has been there, with all it was given, as far as was seen.

        The mark lies in Redis itself: without it, Redis was emptied. To set it shows that Redis
        takes what is written.
        """
        now = wall_now()
        try:
            self._broker.set(_MARK, now.isoformat(), nx=True)
            since = _time(self._broker.get(_MARK))
            if self._failed or since is None or since > now:
                self._broker.set(_MARK, now.isoformat())
                since = now
            self._failed, self.redis_whole_since = False, since
        except redis.RedisError as error:
            self._failed = True
            _log.warning("redis.not_written", reason=str(error))

    def _news(self, state: Federation) -> list[Draft]:
        now, zones = self._clock.now(), _zones(state)
        keys = state.client_keys() if self._is_signed else None
        drafts = heartbeat_events(
            state.clients, read_heartbeats(self._broker, state.clients, keys=keys),
            clock_ahead_s=clock_ahead_s(self._broker),
        )  # fmt: skip
        if self._histories is None:
            return [*drafts, *grid_events(state, self._known(zones, now))]
        self._update_histories(self._histories, zones)
        known = self._known(zones, now)
        return [
            *drafts,
            *grid_events(state, known),
            *self._source_news(self._histories, state, known),
            *self._caught_up(self._histories, state, now),
        ]

    def _known(self, zones: Collection[str], now: datetime) -> dict[str, ZoneNow]:
        return {zone: self._grid.zone(zone, now) for zone in zones}

    def _update_histories(self, histories: ZoneHistories, zones: Collection[str]) -> None:
        """Take over what other processes learned of the grid; ask for what nobody knows."""
        if histories.take_news():
            self._grid.forget()
            self._behind = True
        histories.remember(zones)
        now = self._clock.now()
        unknown = any(histories.zone(zone).reading_at(now) is None for zone in zones)
        if unknown and histories.want(every_s=min(self._settings.refresh_s, _IMPATIENT_S)):
            send("refresh_carbon", queue("coordinator"))

    def _source_news(
        self, histories: ZoneHistories, state: Federation, zones: Mapping[str, ZoneNow]
    ) -> list[Draft]:
        """Return where another source than the expected one is active, or none, since now."""
        drafts = []
        for zone, now in sorted(zones.items()):
            expected = chain(self._settings, zone)[0]
            active = now.reading.source if now.reading else None
            known = state.signals.get(zone)
            if active == (known.active_source if known else expected):
                continue
            if active == expected:
                drafts.append(Draft(SignalRecovered(zone=zone, active_source=expected)))
                continue
            history = histories.zone(zone)
            if not (history.response_at or history.faults):
                continue  # nobody has been asked yet
            why = history.faults.get(expected) or now.fault
            fell_back = SignalFellBack(
                zone=zone,
                expected=expected,
                active_source=active,
                why=why or f"{expected} has no reading of this hour.",
            )
            drafts.append(Draft(fell_back))
        return drafts

    def _caught_up(self, histories: ZoneHistories, state: Federation, now: datetime) -> list[Draft]:
        """Return what was found out since of the hours in which nobody watched."""
        if not self._behind:
            return []
        readings = {}
        for zone, series in sorted(state.grid.items()):
            first = series.first or now
            past = histories.zone(zone).between(max(first, now - _CAUGHT_UP), now)
            lacking = tuple(
                r.to_record() for r in past if r.end <= now and r.start >= first and series.lacks(r)
            )
            if lacking:
                readings[zone] = lacking
        # Looked at again until nothing is lacking: what was returned may not have been recorded.
        self._behind = bool(readings)
        return [Draft(GridCaughtUp(readings=readings))] if readings else []


def _time(mark: object) -> datetime | None:
    try:
        return datetime.fromisoformat(mark.decode()) if isinstance(mark, bytes) else None
    except ValueError:
        return None


def _zones(state: Federation) -> set[str]:
    return {client.zone for client in state.enrolled()}
