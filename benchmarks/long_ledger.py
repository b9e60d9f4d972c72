"""A long ledger: a federation that trains day and night, through our own code.

Every ten minutes of grid time a round: its cohort answers, one of twenty work without counting.
Every hour new readings, a few gates that change, and measured intensities.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random

from common.clock import GridClock, SystemClock
from common.messages import BlobRef, Energy, Receipt, Timings, update_key
from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.grid import Grid
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR, hour_start, hours_overlapping
from scheduler.federation.federation import Federation
from scheduler.federation.opening import FederationLedger
from scheduler.gate.gate import Gate
from scheduler.ledger.event import Draft
from scheduler.ledger.events import (
    ClientEnrolled,
    ClientJoined,
    GateChanged,
    GridSettled,
    ReadingRecord,
    RoundEvaluated,
    RoundPlanned,
    RunEnded,
    RunOpened,
    RunStarted,
    UpdateAccepted,
    UpdateLate,
)
from scheduler.ledger.run_spec import RunSpec
from scheduler.rounds.admission import make_admission
from scheduler.rounds.observations import grid_events
from scheduler.rounds.payloads import round_closed, round_committed, work_record
from scheduler.rounds.work_time import work_time
from scheduler.rounds.world import NextVersion

ZONES = ("FR", "SE-SE3", "GB", "DE", "PL", "US-CAL-CISO")

_START = datetime(2024, 1, 1, tzinfo=UTC)
_STEP = timedelta(minutes=10)
_NBYTES = 38_440
_CLOCK = SystemClock(GridClock())


class Waves:
    """A signal whose zones go up and down each day, each at its own level."""

    name = "waves"

    def zones(self) -> tuple[str, ...]:
        """Return the ids of all zones it knows."""
        return ZONES

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Return every hour that overlaps `[start, end)`, in order; see `Signal.readings`."""
        return [_wave(zone, hour) for hour in hours_overlapping(start, end)]


@lru_cache(maxsize=4096)
def _wave(zone: str, hour: int) -> Reading:
    level = 60.0 + 90.0 * ZONES.index(zone)
    value = level * (1.0 + 0.3 * math.sin(hour / 24 * math.tau) + 0.1 * math.sin(hour * 0.7))
    start = hour_start(hour)
    return Reading(zone, start, start + HOUR, value, Waves.name, FLOW_TRACED, "measured")


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a federation is: its clients, how many train in a round, rounds of each run."""

    clients: int = 10
    cohort: int = 8
    rounds: int = 500

    @property
    def names(self) -> tuple[str, ...]:
        """The clients' names."""
        return tuple(f"site-{n:02}" for n in range(self.clients))


class LongLedger:
    """Appends to a ledger what happens in such a federation, hour by hour.

    Args:
        ledger: An empty one.
        shape: How large the federation is.
    """

    def __init__(self, ledger: FederationLedger, shape: Shape = Shape()) -> None:
        self._ledger = ledger
        self._shape = shape
        self._grid = Grid(Waves())
        self._rng = Random(0)  # noqa: S311 - figures for a benchmark
        self._now = _START
        self._run = ""
        with ledger.transaction(at=self._now) as tx:
            for n, client in enumerate(shape.names):
                enrolled = ClientEnrolled(zone=ZONES[n % len(ZONES)], num_examples=500)
                tx.append(Draft(enrolled, client=client))
        with ledger.transaction(at=self._now) as tx:
            for n, client in enumerate(shape.names):
                joined = ClientJoined(incarnation=_sha(client)[:32], host="host", pid=n + 1)
                tx.append(Draft(joined, client=client))

    def grow(self, events: int) -> None:
        """Let time pass until there are so many events."""
        while self._ledger.latest_seq() < events:
            self._hour()
            for _ in range(HOUR // _STEP):
                self._round()

    @property
    def _target(self) -> int:
        return max(1, self._shape.cohort - 1)

    def judge(self, client: str) -> None:
        """Let one gate change."""
        with self._ledger.transaction(at=self._now) as tx:
            tx.append(Draft(self._gate(tx.state.clients[client].zone), client=client))

    def hold_round(self) -> None:
        """Let one round begin and close."""
        self._round()

    def _hour(self) -> None:
        with self._ledger.transaction(at=self._now) as tx:
            tx.append(*grid_events(tx.state, {z: self._grid.zone(z, self._now) for z in ZONES}))
            for client in self._rng.sample(self._shape.names, 3):
                tx.append(Draft(self._gate(tx.state.clients[client].zone), client=client))
            hour = _hour_of(self._now) - 1
            found: dict[str, tuple[ReadingRecord, ...]] = {
                zone: (_wave(zone, hour).to_record(),) for zone in ZONES
            }
            tx.append(Draft(GridSettled(readings=found)))

    def _gate(self, zone: str) -> GateChanged:
        value = _wave(zone, _hour_of(self._now)).gco2eq_per_kwh
        numbers = {
            "intensity_gco2eq_per_kwh": value,
            "threshold_gco2eq_per_kwh": 200.0,
            "ceiling_gco2eq_per_kwh": 1000.0,
        }
        return Gate("open", self._now, "below_threshold", numbers).to_payload()

    def _round(self) -> None:
        self._open_run()
        name, cohort = self._run, sorted(self._rng.sample(self._shape.names, self._shape.cohort))
        with self._ledger.transaction(at=self._now) as tx:
            number = len(tx.state.runs[name].closed) + 1
            planned = RoundPlanned(
                base_version=_sha(f"{name}/{number - 1}"), cohort=tuple(cohort),
                target=self._target,
                deadline_s=600.0, valid_until=self._now + HOUR,
                expected_gco2eq=self._rng.random(), verdicts=_sha(f"verdicts/{name}/{number}"),
            )  # fmt: skip
            tx.append(Draft(planned, run=name, round=number))
        self._now += _STEP / 2
        with self._ledger.transaction(at=self._now) as tx:
            for client in cohort:
                tx.append(self._answered(tx.state, self._receipt(number, client)))
        self._close(name, number)
        self._now += _STEP / 2

    def _close(self, name: str, number: int) -> None:
        with self._ledger.transaction(at=self._now) as tx:
            run = tx.state.runs[name]
            assert run.open_round is not None  # noqa: S101 - it was just planned
            closed = round_closed(
                tx.state, run, run.open_round, self._grid, grid_now=self._now,
                made=NextVersion(_sha(f"{name}/{number}"), None),
                phases={"train_s": self._rng.random()},
            )  # fmt: skip
            committed = round_committed(tx.state, run, run.open_round)
            scored = RoundEvaluated(metrics={"accuracy": self._rng.random()}, evaluate_s=0.1)
            for payload in (committed, closed, scored):
                tx.append(Draft(payload, run=name, round=number))
            if number == self._shape.rounds:
                ended = RunEnded(reason="rounds", last_version=closed.version)
                tx.append(Draft(ended, run=name))

    def _open_run(self) -> None:
        """Start the next run where none is under way."""
        runs = self._ledger.state().runs
        if self._run and runs[self._run].ended_at is None:
            return
        self._run = f"run-{len(runs) + 1}"
        spec = RunSpec(
            id=self._run,
            workload="digits",
            rounds=self._shape.rounds,
            cohort=self._shape.cohort,
            quorum=self._target,
        )
        opened = RunOpened(version=_sha(f"{self._run}/0"), num_params=9610, scored_here=True)
        with self._ledger.transaction(at=self._now) as tx:
            tx.append(Draft(RunStarted(spec=spec), run=self._run))
            tx.append(Draft(opened, run=self._run))

    def _receipt(self, number: int, client: str) -> Receipt:
        draw = self._rng.random
        took = timedelta(seconds=60 + 200 * draw())
        receipt = Receipt(
            run=self._run, round=number, client=client, attempt=0, outcome="declined",
            started_at=self._now - took, ended_at=self._now, sent_at=self._now, incarnation="i",
            num_examples=400 + int(100 * draw()), loss=draw(), utility=20 * draw(),
            timings=Timings(queue_s=draw(), pull_s=draw(), train_s=60 * draw(), push_s=draw()),
            energy=Energy(
                energy_wh=10 * draw(), method="rapl", quality="measured", pue=1.2, idle_wh=draw(),
                idle_s=300 * draw(), embodied_gco2eq=draw(),
            ),
        )  # fmt: skip
        sha256 = _sha(f"{self._run}/{number}/{client}")
        ref = BlobRef(key=update_key(receipt), sha256=sha256, nbytes=_NBYTES)
        return receipt.model_copy(update={"outcome": "trained", "update": ref})

    def _answered(self, state: Federation, receipt: Receipt) -> Draft:
        work = work_record(
            state,
            self._grid,
            _CLOCK,
            receipt,
            done=work_time(state, _CLOCK, receipt),
            pulled_nbytes=_NBYTES,
            frozen_nbytes=0,
            network_kwh_per_gb=0.01,
        )
        if self._rng.random() < 0.05:  # noqa: PLR2004 - one of twenty
            return Draft(UpdateLate(work=work), receipt.run, receipt.round, receipt.client)
        admission = make_admission(
            state, receipt, sha256=work.sha256 or "", nbytes=_NBYTES, norm=self._rng.random(),
            num_examples=receipt.num_examples, wall_now=self._now,
            started_at=work.started_at, accept_s=0.0,
        )  # fmt: skip
        accepted = UpdateAccepted(work=work, admission=admission)
        return Draft(accepted, receipt.run, receipt.round, receipt.client)


def _hour_of(at: datetime) -> int:
    return hours_overlapping(at, at + timedelta.resolution)[0]


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
