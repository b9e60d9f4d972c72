"""The expected rounds of a run in the next 24 hours, computed beside the page.

The page must never wait for what only adds to it, and some policies take seconds to plan a day. So
a thread of its own computes them from a copy, and a view shows the newest result.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime
from threading import Event
from typing import Any

import structlog

from common.errors import FairwindError
from common.settings import Settings
from scheduler.carbon.grid import Grid
from scheduler.carbon.signal import slot_start
from scheduler.federation.federation import Federation, Run
from scheduler.rounds.forecast import copied, describe, forecast_rounds
from scheduler.rounds.world import Rules
from tasks.monitor.agenda import agenda
from tasks.monitor.zone_forecasts import AHEAD, ZoneForecasts

_log = structlog.get_logger(__name__)

_HOURS = round(AHEAD.total_seconds() / 3600)

_LONGEST_S = 10.0
"""After so many wall seconds, what was found counts: some policies read all closed rounds for each
plan, and a day may hold a hundred plans."""

_AT_ONCE_S = 0.25
"""How long a view waits for a result, wall seconds: most are there by then."""

_PAUSE_S = 2.0
_PAUSE_FACTOR = 10.0
"""A result is renewed after a pause at the soonest, and after so many times its own duration."""

_CUT_OFF = (
    f"Computing these took {_LONGEST_S:g} s, so later ones are missing here. See all of them with: "
    "fairwind plan --horizon 24"
)


class ExpectedRounds:
    """Expected rounds of one run at a time, renewed when a round or an hour begins or ends."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="agenda")
        self._forecasts: ZoneForecasts | None = None
        self._work: Future[dict[str, Any] | None] | None = None
        self._key: tuple[Any, ...] | None = None
        self._newest: tuple[str, dict[str, Any] | None] = ("", None)
        self._not_before = 0.0
        self._stopped = Event()

    def stop(self) -> None:
        """Stop what is being computed, and forget it: its ledger is about to be closed."""
        self._stopped.set()
        if self._work is not None:
            wait([self._work])
        self._stopped.clear()
        self._work = self._key = None
        self._newest = ("", None)

    def of(
        self, state: Federation, run: Run, settings: Settings, now: datetime
    ) -> dict[str, Any] | None:
        """Return the newest result for a run as the page draws it, `None` while there is none.

        Args:
            state: The federation as it stands.
            run: One of its runs, not over.
            settings: Where the forecasts are.
            now: The time on the grid clock.
        """
        key = (run.id, len(run.closed), _cohort(run), len(state.clients), slot_start(now))
        free = self._work is None or self._work.done()
        other = self._key is None or self._key[0] != run.id
        if free and key != self._key and (other or time.monotonic() >= self._not_before):
            self._key, copy = key, copied(state, run)
            self._work = self._thread.submit(self._compute, *copy, settings, now)
            wait([self._work], _AT_ONCE_S)
        if self._work is not None and self._work.done() and self._key is not None:
            self._newest = (self._key[0], self._work.result())
        return self._newest[1] if self._newest[0] == run.id else None

    def _compute(
        self, state: Federation, run: Run, settings: Settings, now: datetime
    ) -> dict[str, Any] | None:
        begun = time.monotonic()
        try:
            return self._agenda(state, run, settings, now)
        except FairwindError as error:
            return agenda([], str(error))
        except Exception as error:  # noqa: BLE001 - the page goes on without it
            _log.exception("forecast.failed", run=run.id)
            problem = f"The expected rounds cannot be computed ({type(error).__name__})."
            return agenda([], f"{problem} Flower's log holds the details.")
        finally:
            took = time.monotonic() - begun
            self._not_before = time.monotonic() + max(_PAUSE_S, _PAUSE_FACTOR * took)

    def _agenda(
        self, state: Federation, run: Run, settings: Settings, now: datetime
    ) -> dict[str, Any]:
        self._forecasts = self._forecasts or ZoneForecasts(settings)
        rules = Rules.of(settings)
        give_up = time.monotonic() + _LONGEST_S
        planned = forecast_rounds(
            state, run, Grid(self._forecasts.signal(), rules.gate.family), rules, now,
            hours=_HOURS, grid_clock=settings.clock,
            is_stopped=lambda: self._stopped.is_set() or time.monotonic() > give_up,
        )  # fmt: skip
        rows = [
            describe(each, run) | {"start": each.start.timestamp(), "end": each.end.timestamp()}
            for each in planned
        ]
        return agenda(rows, _CUT_OFF if time.monotonic() > give_up else None)


def _cohort(run: Run) -> tuple[Any, ...]:
    return (run.open_round.number, len(run.open_round.cohort)) if run.open_round else ()
