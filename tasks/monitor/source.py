"""The one place where the page touches the ledger."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from common.clock import GridClock
from common.settings import Settings, load
from scheduler.advice import SEEN_ROUNDS, RecentWork, gather, make_advice
from scheduler.carbon.grid import Grid
from scheduler.federation.federation import Federation
from scheduler.federation.opening import FederationReader, read_ledger
from scheduler.gate.gate import gate_rule
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.database import file_identity
from scheduler.ledger.events import RoundPlanned
from scheduler.status.comparison import SHOWN_POINTS, compare
from scheduler.status.drivers import UNSEEN
from scheduler.status.summary import summary
from scheduler.status.which_run import find_run
from tasks.messaging.drivers import DriverWatch
from tasks.monitor.page.document import Snapshot
from tasks.monitor.snapshots import SnapshotMaker
from tasks.monitor.starting import starting
from tasks.monitor.totals import client_totals
from tasks.monitor.zone_forecasts import ZoneForecasts, outlook

RUN_FIGURES = (
    "id", "workload", "policy", "status", "reason", "rounds_done", "rounds_total", "metric",
    "lower_is_better", "best", "energy_wh", "emitted_gco2eq", "baseline_gco2eq", "avoided_gco2eq",
    "avoided_share", "started", "ended",
)  # fmt: skip
"""What the table of runs shows of each; the rest is on the page of that run."""


class LedgerSource:
    """Views of the ledger that this process's settings name. It never creates one.

    The ledger is opened when it is first needed, and again after the file was replaced, so
    Flower may start before the coordinator and outlive a ledger.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._given = settings
        self._ledger: FederationReader | None = None
        self._file: tuple[int, int] | None = None
        self._forecasts: ZoneForecasts | None = None
        self._snapshots = SnapshotMaker()
        self._drivers = DriverWatch()

    def latest_seq(self) -> int:
        """Return the number of the ledger's last event.

        Raises:
            FairwindError: As `load_snapshot`.
        """
        return self._current().latest_seq()

    def state(self) -> Federation:
        """Return the federation as the ledger holds it.

        Raises:
            FairwindError: As `load_snapshot`.
        """
        return self._current().state()

    def clock(self) -> GridClock:
        """Return the grid clock that the settings describe.

        Raises:
            SettingError: If a setting does not fit.
        """
        return self._settings.clock

    def load_snapshot(self, run: str | None) -> Snapshot:
        """Return what the page shows of `run`, or of the newest run if `None`.

        Raises:
            FairwindError: If a setting does not fit, there is no ledger, or it is of another
                version.
        """
        settings, state = self._settings, self.state()
        under_way = starting(settings.folder)
        # What is being started is not missing.
        drivers = UNSEEN if under_way else self._drivers.look(settings)
        forecasts = self._zone_forecasts(settings)
        snapshot = self._snapshots.make(state, run, settings, forecasts, drivers)
        return replace(snapshot, core={**snapshot.core, "starting": under_way})

    def load_advice(self, client: str) -> dict[str, Any]:
        """Return what a client could do to emit less, and what its grid will do meanwhile.

        Raises:
            FairwindError: As `load_snapshot`, or if no such client is enrolled.
        """
        settings, ledger = self._settings, self._current()
        state, planned = ledger.state(), ledger.newest(RoundPlanned.kind, limit=SEEN_ROUNDS)
        rule = gate_rule(settings)
        now = settings.clock.now()
        case = gather(
            state,
            RecentWork.of(state, planned, Blobs(settings.folder / "blobs"), now),
            Grid(self._zone_forecasts(settings).signal(), rule.family),
            rule,
            client,
        )
        ahead = outlook(case.ahead, now) if case.ahead else None
        totals = client_totals(state.clients[client].totals)
        return {**make_advice(case).to_dict(), "forecast": ahead, "totals": totals}

    def load_runs(self) -> dict[str, Any]:
        """Return all runs, one row each, the newest first.

        Raises:
            FairwindError: As `load_snapshot`.
        """
        runs = reversed(self.state().runs.values())
        return {"runs": [{name: row[name] for name in RUN_FIGURES} for row in map(summary, runs)]}

    def load_comparison(self, first: str, second: str) -> dict[str, Any]:
        """Return two runs side by side.

        Raises:
            FairwindError: As `load_snapshot`, or if either run does not exist.
        """
        state = self.state()
        found = compare(find_run(state, first), find_run(state, second))
        return found.to_dict(most_points=SHOWN_POINTS)

    def close(self) -> None:
        """Close the ledger, if it is open. The next call opens it again."""
        if self._ledger is not None:
            self._snapshots.forget()
            self._ledger.close()
            self._ledger = None

    @property
    def _settings(self) -> Settings:
        return self._given or load()

    def _zone_forecasts(self, settings: Settings) -> ZoneForecasts:
        if self._forecasts is None:
            self._forecasts = ZoneForecasts(settings)
        return self._forecasts

    def _current(self) -> FederationReader:
        settings = self._settings
        file = file_identity(settings.ledger)
        if self._ledger is not None and file == self._file:
            return self._ledger
        self.close()
        self._ledger = read_ledger(settings.ledger)
        self._file = file
        return self._ledger
