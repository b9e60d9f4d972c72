"""Snapshots of the federation's state; what only the ledger changes is made once for each event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from common.settings import Settings
from scheduler.carbon.signal import slot_start
from scheduler.carbon.sources import is_live
from scheduler.federation.federation import Federation, Run
from scheduler.status.client_rows import client_rows
from scheduler.status.drivers import UNSEEN, Drivers
from scheduler.status.explain import explain_run
from scheduler.status.exports import exported_model
from scheduler.status.scores import first_figures
from scheduler.status.view import head
from scheduler.status.which_run import find_run, newest_run
from scheduler.status.zones import zones_seen
from tasks.monitor.expected_rounds import ExpectedRounds
from tasks.monitor.page.document import Snapshot
from tasks.monitor.page.history import RoundRow, RunHistory, bands, curve, under_way
from tasks.monitor.page.zones import drawn, forecast_row, zone_rows
from tasks.monitor.totals import run_totals
from tasks.monitor.zone_forecasts import ZoneForecasts

_MOST_RUNS: Final = 100
"""The newest runs, to choose from."""

_MOST_KEPT: Final = 4
"""Runs whose rounds and rows are kept."""


@dataclass
class _Folded:
    """What only the ledger changes: made anew when it grew or another run is shown."""

    key: tuple[int, str | None]
    rounds: Sequence[RoundRow]
    zones: list[dict[str, Any]]
    drawn: list[str]
    since: float | None
    curve: dict[str, Any]


@dataclass
class SnapshotMaker:
    """Makes snapshots of one ledger; `forget` it when the ledger was replaced."""

    expected: ExpectedRounds = field(default_factory=ExpectedRounds)
    _histories: dict[str, RunHistory] = field(default_factory=dict)
    _folded: dict[str | None, _Folded] = field(default_factory=dict)
    _clients: dict[str, dict[str, Any]] = field(default_factory=dict)

    def forget(self) -> None:
        """Forget all that was read from the ledger."""
        self.expected.stop()
        self._histories.clear()
        self._folded.clear()

    def make(
        self,
        state: Federation,
        run_id: str | None,
        settings: Settings,
        forecasts: ZoneForecasts,
        drivers: Drivers = UNSEEN,
    ) -> Snapshot:
        """Return what there is to see of `run_id`, or of the newest run if `None`.

        Raises:
            FederationError: If the run that is named does not exist.
        """
        run = find_run(state, run_id) if run_id else newest_run(state)
        now = settings.clock.now()
        explained = explain_run(
            state, run, now=now, wall_now=settings.clock.wall_at(now), drivers=drivers
        )
        top = head(
            state, run, explained, now=now, clock_speed=settings.clock.speed, drivers=drivers,
            threshold=settings.threshold_gco2eq_per_kwh, ceiling=settings.ceiling_gco2eq_per_kwh,
        )  # fmt: skip
        folded = self._fold(state, run)
        clients = self._same_where_equal(
            _of_run(row) for row in client_rows(state, run, explained.blockers, now=now)
        )
        if run is not None:
            top["run"] |= run_totals(run.totals, settles=is_live(settings))
            top["run"]["model"] = exported_model(settings.folder, run)
        until = (run.grid_ended_at if run else None) or now
        core = {
            **{name: top[name] for name in top if name not in {"now", "clock_speed"}},
            "drivers": _without_ages(top["drivers"]),
            "runs": top["runs"][-_MOST_RUNS:],
            "num_runs": len(top["runs"]),
            "zones": _with_forecasts(folded, zone_rows(folded.zones, clients), run, forecasts, now),
            "curve": folded.curve,
            "bands": bands(folded.rounds, folded.since or 0.0, until.timestamp()),
            "open": under_way(folded.rounds),
            "agenda": self._agenda(state, run, settings, now),
        }
        return Snapshot(core, clients, folded.rounds)

    def _fold(self, state: Federation, run: Run | None) -> _Folded:
        name = run.id if run else None
        before = self._folded.get(name)
        key = state.seq, name
        if before is not None and before.key == key:
            return before
        zones = zones_seen(state, run)
        rounds = self._history(run).read(run) if run else []
        lines = drawn(zones)
        folded = _Folded(
            key=key,
            rounds=rounds,
            zones=zones,
            drawn=lines,
            since=min(
                (t for z in zones if z["zone"] in lines for t in z["times"][:1]), default=None
            ),
            curve=curve(rounds, first_figures(run).get(run.spec.metric) if run else None),
        )
        self._folded.pop(name, None)
        self._folded[name] = folded
        _drop_oldest(self._folded)
        return folded

    def _history(self, run: Run) -> RunHistory:
        history = self._histories.pop(run.id, None) or RunHistory()
        self._histories[run.id] = history  # the newest is the last
        _drop_oldest(self._histories)
        return history

    def _same_where_equal(self, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return rows, each as the very object it was before where nothing changed."""
        old = self._clients
        self._clients = {
            row["client"]: old[row["client"]] if old.get(row["client"]) == row else row
            for row in rows
        }
        return list(self._clients.values())

    def _agenda(
        self, state: Federation, run: Run | None, settings: Settings, now: datetime
    ) -> dict[str, Any] | None:
        if run is None or run.status == "ended":
            return None
        return self.expected.of(state, run, settings, now)


def _with_forecasts(
    folded: _Folded,
    zones: dict[str, Any],
    run: Run | None,
    forecasts: ZoneForecasts,
    now: datetime,
) -> dict[str, Any]:
    """Return the zones; those that are drawn with their forecast, until the run is over."""
    if run is not None and run.status == "ended":
        return zones
    # From the hour's begin, so that nothing changes before the next one; the page draws from now.
    ahead = forecasts.forecasts(folded.drawn, slot_start(now.astimezone(UTC)))
    return {
        zone: {**row, "forecast": forecast_row(ahead[zone])} if zone in ahead else row
        for zone, row in zones.items()
    }


def _of_run(row: dict[str, Any]) -> dict[str, Any]:
    """Return a client's row of this run; what it did in all runs stands with its advice."""
    energy_wh, gco2eq = row["run_energy_wh"], row["run_gco2eq"]
    kept = {name: row[name] for name in row if name not in {"run_energy_wh", "run_gco2eq"}}
    return {**kept, "energy_wh": energy_wh, "gco2eq": gco2eq}


def _without_ages(drivers: dict[str, Any]) -> dict[str, Any]:
    """Return the drivers without what changes as time passes: the page counts ages itself."""
    each = [
        {
            name: value
            for name, value in driver.items()
            if name != "silent_s" and (name != "seen_at" or driver["state"] == "silent")
        }
        for driver in drivers["each"]
    ]
    return {**drivers, "each": each}


def _drop_oldest(kept: dict[Any, Any]) -> None:
    while len(kept) > _MOST_KEPT:
        del kept[next(iter(kept))]
