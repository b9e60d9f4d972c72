"""A simulation against a real federation: the same decisions and, to the bit, the same model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest

from common.clock import GridClock, wall_now
from scheduler.carbon.signal import slot_start
from scheduler.federation.federation import Run
from scheduler.federation.opening import FederationLedger, open_ledger
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.event import Draft, Event
from scheduler.ledger.events import (
    AssignmentEvaluated,
    GateChanged,
    RoundClosed,
    RoundEvaluated,
    RoundPlanned,
    RunEnded,
    RunOpened,
    RunStarted,
    RunStopRequested,
    UpdateAccepted,
)
from scheduler.ledger.run_spec import RunSpec
from scheduler.selection.verdict_blob import read_verdicts
from simulation.outcome import Outcome, RoundOutcome
from simulation.ports.journal import OnDisk
from simulation.run import simulate
from simulation.scenario.scenario import Scenario
from tests.integration.fleet import Fleet, running_fleet

CLIENTS = {"FR-01": "FR", "ES-01": "ES", "DE-01": "DE", "GB-01": "GB"}
MIDNIGHT = datetime(2022, 5, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOUR_S = 4.0

ROUNDS, FEW_ROUNDS = 8, 3
HERE, AT_SITES = "digits", "tests.fakes.site_tested"
"""Workloads that the coordinator tests, and that the sites test."""

RUN: dict[str, Any] = {
    "policy": "random", "cohort": 2, "quorum": 2, "cron": "10 * * * *", "deadline_s": 60,
}  # fmt: skip

ENDINGS: dict[str, dict[str, Any]] = {
    "rounds": {"rounds": ROUNDS, "encoding": "topk:0.05", "bias": "realised"},
    # That is past the change of a grid and before the third round, by some minutes each.
    "hours": {
        "hours": 2.8,
        "algorithm": "scaffold",
        "encoding": "mxint8",
        "hyperparameters": {
            "steps": 20,
            "clip_norm": 0.5,
            "schedule": "warmup:1,cosine:4",
            "precision": "bf16",
        },
    },
    # All take part, so all know their energy, when the first hour comes that is not free of it.
    "grams": {
        "algorithm": "fednova",
        "grams": 1e-9,
        "policy": "all",
        "cohort": None,
        "hyperparameters": {
            "accumulate": 2,
            "momentum": 0.5,
            "proximal_mu": 0.1,
            "drop_last": True,
        },
    },
    # It ends by its rounds; its sites evaluate what they keep.
    "own": {
        "rounds": FEW_ROUNDS,
        "personal": ("2.*",),
        "encoding": "mxint8",
        "error_feedback": True,
    },
    # Its policy gives each client a part of its epochs and a weight; it ends by its rounds.
    "parts": {
        "rounds": FEW_ROUNDS,
        "policy": "tests.fakes.part_work:select",
        "algorithm": "fednova",
        "bias": "running",
        "hyperparameters": {"epochs": 2, "batch_size": 16},
    },
    "stopped": {
        "rounds": 1000,
        "server_optimizer": {"name": "fedyogi", "schedule": "warmup:1,linear:9"},
    },
}
"""What each run is asked for; one is stopped once `STOP_AFTER` rounds have their score."""

STOP_AFTER = 2

GRID = {
    "FR": "..#+...+.#.+..#+",
    "ES": "..#+.##+..#+.#.+",
    "DE": ".##+..#+.##+..#+",
    "GB": "...+.##+..#+.#.+",
}
"""Over and over: which hours are dirty (#), free of emissions (.) and neither (+).

Of every four hours all grids are free in the first, at least two in the second, sometimes but one
in the third, and in the fourth all emit and none is dirty.
"""

INTENSITIES = {".": 0, "+": 100, "#": 400}
PERIOD_H = 4
HISTORY_H = 8 * 24


def trace() -> str:
    lines = ["datetime," + ",".join(GRID)]
    for hour in range(HISTORY_H + 24 * 60):
        values = [INTENSITIES[pattern[hour % len(pattern)]] for pattern in GRID.values()]
        at = MIDNIGHT + hour * HOUR
        lines.append(f"{at:%Y-%m-%dT%H:%MZ}," + ",".join(map(str, values)))
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def trace_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "trace.csv"
    path.write_text(trace())
    return path


@pytest.fixture(scope="module")
def fleet(trace_path: Path) -> Iterator[Fleet]:
    """A federation under an accelerated grid, in which one run goes on at a time."""
    settings = {
        "FAIRWIND_SIGNAL": "trace",
        "FAIRWIND_TRACE_PATH": str(trace_path),
        "FAIRWIND_METER": "constant",
        "FAIRWIND_CONSTANT_W": "200",
        "FAIRWIND_IDLE_W": "20",
        "FAIRWIND_WORKLOADS": f"{HERE},{AT_SITES}",
        "FAIRWIND_WALL_START": wall_now().isoformat(),
        "FAIRWIND_GRID_START": (MIDNIGHT + HISTORY_H * HOUR).isoformat(),
        "FAIRWIND_GRID_SPEED": str(3600 / HOUR_S),
    }
    with running_fleet(trace_path.parent / "federation", CLIENTS, settings=settings) as started:
        yield started


CASES = [
    *(pytest.param(ending, HERE) for ending in ENDINGS),
    # The scoring sites matter most where no later assignment pulls the last version.
    pytest.param("rounds", AT_SITES),
    *(pytest.param(ending, AT_SITES, marks=pytest.mark.slow) for ending in ENDINGS
      if ending not in ("rounds", "own", "parts")),
]  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize(("ending", "workload"), CASES)
def test_a_simulation_decides_and_learns_what_a_real_federation_does(
    fleet: Fleet, trace_path: Path, tmp_path: Path, ending: str, workload: str
) -> None:
    """The same decisions, the same bits, and the same events but for what time changes.

    Left out is what a clock or a meter measures (`MEASURED`): instants, durations, energies,
    FLOPs, and emissions with all that follows from these. Left out are also name and size of an
    update and of a server optimizer's state, of which a simulation writes no file, the head of a
    site's audit trail, which a virtual site does not keep, and the name of a plan's verdicts,
    which hold scores that energies change (`NOT_KEPT`); their codes are compared instead.
    Updates of one round arrive in
    whatever order, and a score comes behind the plan of the next round where that is due by then.
    Of the events beside the run, gates are compared by their states in turn. Heartbeats, readings
    and a gate's daily repetition depend on when somebody looked.
    """
    asked = RUN | ENDINGS[ending]
    if workload == AT_SITES and ending == "rounds":
        asked["rounds"] = FEW_ROUNDS
    spec = RunSpec(id=f"{ending}-{workload.rpartition('.')[2]}", workload=workload, **asked)
    start_at_a_good_time(fleet, spec)
    if ending == "stopped":
        last_scored = STOP_AFTER - (workload == AT_SITES)
        fleet.wait_event(RoundEvaluated, spec.id, round=last_scored)
        with fleet.ledger.transaction() as tx:
            tx.append(Draft(RunStopRequested(), run=spec.id))
    real = fleet.wait_ended(spec.id)

    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", GridClock())
    blobs = Blobs(tmp_path / "blobs")
    journal = OnDisk(ledger, blobs)
    if ending == "stopped":
        journal = StoppedAfter(ledger, blobs, spec.id, last_scored)
    outcome = simulate(scenario(spec, real, trace_path), journal=journal)

    assert_alike(outcome, real)
    assert outcome.idle_wh > 0
    assert {c.idle_w for c in fleet.ledger.state().clients.values()} == {20.0}
    assert real.totals.idle_wh > 0
    assert real.end_reason == ("rounds" if ending in ("own", "parts") else ending)
    assert len(real.closed) >= STOP_AFTER
    if len(real.closed) == ROUNDS:
        assert len({closed.cohort for closed in real.closed}) > 1
    events, simulated = list(fleet.ledger.events()), list(ledger.events())
    ledger.close()
    assert versions(simulated, spec.id) == versions(events, spec.id)
    assert gates(simulated, spec.id) == gates(events, spec.id)
    assert story(simulated, spec.id, blobs) == story(events, spec.id, Blobs(fleet.home / "blobs"))


def start_at_a_good_time(fleet: Fleet, spec: RunSpec) -> None:
    """Start a run a quarter of an hour into an hour: the fourth one, if when it ends depends on it.

    Its first round is due most of an hour later: whatever gates did before, they may change by
    then. Each round has most of an hour, some seconds, before a grid changes or the next is due.
    """

    def is_good() -> bool:
        now = fleet.clock.now()
        is_fourth = (now - MIDNIGHT) // HOUR % PERIOD_H == PERIOD_H - 1
        return 15 <= now.minute < 20 and (is_fourth or spec.rounds in (ROUNDS, FEW_ROUNDS))

    fleet.wait(is_good, "a time at which the run may start")
    fleet.begin_run(spec)


class StoppedAfter(OnDisk):
    """A journal whose user asks a run to stop once a round has its score."""

    def __init__(self, ledger: FederationLedger, blobs: Blobs, run: str, number: int) -> None:
        super().__init__(ledger, blobs)
        self._run, self._number = run, number

    def record(self, at: datetime, *drafts: Draft) -> None:
        super().record(at, *drafts)
        if any(d.kind == RoundEvaluated.kind and d.round == self._number for d in drafts):
            super().record(at, Draft(RunStopRequested(), run=self._run))


def scenario(spec: RunSpec, real: Run, path: Path) -> Scenario:
    """Return what is simulated: the real run, started when it was."""
    return Scenario.model_validate(
        {
            "name": spec.id,
            "start": real.grid_started_at,
            "signal": {"kind": "trace", "path": path},
            "workload": {
                "name": spec.workload, "split": {"kind": "dirichlet", "seed": 0}, "batched": False,
            },
            "run": spec,
            "clients": [
                {"zone": tuple(CLIENTS.values()), "count": len(CLIENTS), "power_w": 200,
                 "idle_w": 20, "examples_per_s": 1000},
            ],
        }
    )  # fmt: skip


def assert_alike(outcome: Outcome, real: Run) -> None:
    """Check that a simulation's outcome is that of a real run."""
    assert [r.cohort for r in outcome.rounds] == [closed.cohort for closed in real.closed]
    hours = [slot_start(closed.started) for closed in real.closed]
    assert [hour_of_round(r, real) for r in outcome.rounds] == hours
    assert [r.metrics for r in outcome.rounds] == [closed.metrics or {} for closed in real.closed]
    assert outcome.version == real.version
    assert outcome.end_reason == real.end_reason


def hour_of_round(round_: RoundOutcome, real: Run) -> datetime:
    """Return the hour in which a simulated round started."""
    return slot_start(real.grid_started_at + round_.started_h * HOUR)


def versions(events: Iterable[Event], run: str) -> list[str]:
    """Return the SHA-256 of every version of a run."""
    made = [e.payload for e in events if e.run == run]
    return [p.version for p in made if isinstance(p, RunOpened | RoundClosed)]


def gates(events: Sequence[Event], run: str) -> dict[str, list[str]]:
    """Return the states of every client's gate during a run, one after the other.

    The first is the one with which the hour ends in which the run starts: it may be of before.
    """
    start, end = (
        next(e for e in events if e.run == run and e.kind == kind)
        for kind in (RunStarted.kind, RunEnded.kind)
    )
    states: dict[str, list[str]] = defaultdict(list)
    for event in events:
        if not isinstance(event.payload, GateChanged) or event.seq > end.seq:
            continue
        if event.grid_at < slot_start(start.grid_at) + HOUR:
            states[event.client].clear()
        states[event.client].append(event.payload.state)
    return {client: [state for state, _ in groupby(seen)] for client, seen in states.items()}


MEASURED = {
    "started_at", "ended_at", "grid_started_at", "grid_ended_at", "valid_until", "best_at",
    "timings", "phases", "latency_s", "accept_s", "evaluate_s",
    "energy", "energy_wh", "network_wh", "flops", "intensity", "idle_intensity",
    "comparable", "gco2eq", "gco2eq_apart",
    "expected_gco2eq", "baseline_gco2eq", "baseline_started", "baseline_ended", "fleet_gco2eq",
}  # fmt: skip
NOT_KEPT = {"sha256", "nbytes", "verdicts", "server_state", "trail"}


def story(events: Iterable[Event], run: str, blobs: Blobs) -> list[tuple[Any, ...]]:
    """Return what happened in a run, without what depends on clocks and meters."""
    lines: list[tuple[Any, ...]] = []
    for event in events:
        if event.run == run:
            payload = without(event.payload.model_dump(mode="json"), MEASURED | NOT_KEPT)
            if isinstance(event.payload, UpdateAccepted):
                # It is summed in another order: the last digits of a float differ.
                payload["admission"]["norm"] = round(event.payload.admission.norm, 9)
            lines.append((event.kind, event.round, event.client, payload, codes(event, blobs)))
    for n, (line, behind) in enumerate(pairwise(list(lines))):
        if (line[0], behind[0]) == (RoundPlanned.kind, RoundEvaluated.kind):
            lines[n], lines[n + 1] = behind, line
    return [
        line
        for kind, alike in groupby(lines, key=lambda line: line[0])
        for line in (sorted(alike, key=lambda line: line[2]) if kind in ARRIVALS else alike)
    ]


ARRIVALS = {UpdateAccepted.kind, AssignmentEvaluated.kind}


def codes(event: Event, blobs: Blobs) -> dict[str, str]:
    """Return by client why a plan does or does not invite it."""
    if not isinstance(event.payload, RoundPlanned):
        return {}
    table = read_verdicts(blobs, event.payload.verdicts)
    assert table is not None
    return {row.client: row.code for row in table.rows}


def without(value: Any, names: AbstractSet[str]) -> Any:
    """Return a JSON value without the fields of these names, at any depth."""
    if isinstance(value, Mapping):
        return {name: without(part, names) for name, part in value.items() if name not in names}
    return [without(part, names) for part in value] if isinstance(value, list) else value
