"""A simulation against production's ports: the same decisions, instants, grams and bits.

Here assignments outlive rounds, so what a run decides depends on the order in which answers come.
Real processes answer in an order of their own; so these sites answer when virtual ones do, with
updates that they really train, send and have admitted. History and learning are production's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from common.clock import GridClock, VirtualClock
from common.messages import BlobRef, Receipt
from models.error_feedback import encode_update
from models.serialization import read_state, write_state
from models.training import Trainer
from models.workload import load_workload
from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.grid import Grid
from scheduler.federation.opening import FederationLedger, open_ledger
from scheduler.federation.run import Run
from scheduler.gate.gate import GateRule
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.event import Draft, Event
from scheduler.ledger.events import RoundEvaluated, RunStopRequested
from scheduler.ledger.run_spec import RunSpec
from scheduler.rounds.receipt import worth
from scheduler.selection.plan import derive_seed
from simulation.grids.signals import make_truth
from simulation.ports.journal import OnDisk
from simulation.ports.learner import NoLearning
from simulation.ports.site import make_sites
from simulation.ports.work import VirtualWork
from simulation.run import _examples, _one_thread, simulate
from simulation.scenario.data import split_data
from simulation.scenario.scenario import Scenario
from simulation.simulated_run import SimulatedRun
from tasks.coordinator.history import LedgerHistory
from tasks.coordinator.learning import BlobLearning
from tasks.coordinator.witness import Witness
from tasks.coordinator.workbench import Workbench
from tasks.messaging.transport.by_folder import FolderTransport
from tests.integration.test_simulated import HISTORY_H, HOUR, MIDNIGHT, trace, without

SPEEDS = {"FR": 1.0, "ES": 0.5, "DE": 0.7, "GB": 0.12}
"""Examples a second; of some 360 examples each, so that answers take 6 to 50 minutes."""

ASYNC: dict[str, Any] = {"mode": "async", "buffer": 2, "concurrency": 3}

STOP_AFTER = 12
FEWEST = 6

RUNS: dict[str, dict[str, Any]] = {
    "rounds": {**ASYNC, "rounds": 12, "policy": "fairwind", "bias": "memory"},
    "hours": {**ASYNC, "hours": 3.3, "policy": "all", "bias": "capped", "encoding": "mxint8"},
    "grams": {**ASYNC, "grams": 30.0, "policy": "alpha_fair", "max_staleness": 1},
    "stopped": {
        **ASYNC, "rounds": 1000, "policy": "oort",
        "server_optimizer": {"name": "fedyogi", "schedule": "warmup:1,linear:9"},
    },
    "late": {
        "rounds": 14, "policy": "random", "cohort": 2, "over_selection": 1.0, "late": "count",
        "deadline_s": 1500.0,
    },
}  # fmt: skip
"""What each run is asked for; one is stopped once so many versions have their score."""


@pytest.fixture(scope="module")
def trace_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "trace.csv"
    path.write_text(trace())
    return path


HERE, AT_SITES = "digits", "tests.fakes.site_tested"
"""Workloads that the coordinator tests, and that the sites test."""


@pytest.mark.parametrize("workload", [HERE, AT_SITES])
@pytest.mark.parametrize("name", RUNS)
def test_assignments_that_outlive_rounds_are_decided_alike_in_both_worlds(
    name: str, workload: str, trace_path: Path, tmp_path: Path
) -> None:
    asked = {"deadline_s": 7200.0} | RUNS[name]
    scenario = _scenario(RunSpec(id=name, workload=workload, **asked), trace_path).decided()
    real = _played_by_production(scenario, tmp_path / "real")
    with _opened(tmp_path / "simulated") as (ledger, blobs):
        simulate(scenario, journal=_StoppedAfter(ledger, blobs))
        simulated = list(ledger.events())
    assert _story(simulated) == _story(real)
    _assert_worth_comparing(name, real)


def _assert_worth_comparing(name: str, events: list[Event]) -> None:
    """Check that the run ended as it should, and had what makes its decisions differ."""
    kinds = [event.kind for event in events]
    (ended,) = (e.payload.model_dump() for e in events if e.kind == "run.ended")
    assert ended["reason"] == ("rounds" if name == "late" else name)
    assert {e.payload.model_dump()["state"] for e in events if e.kind == "gate.changed"} > {"open"}
    accepted = [e.payload.model_dump() for e in events if e.kind == "update.accepted"]
    assert {each["admission"]["staleness"] for each in accepted} > {0}
    assert kinds.count("round.closed") >= FEWEST
    assert ("assignment.given_up" in kinds) == (name in ("grams", "late"))


def _scenario(spec: RunSpec, path: Path) -> Scenario:
    return Scenario.model_validate(
        {
            "name": spec.id,
            "start": MIDNIGHT + HISTORY_H * HOUR,
            "signal": {"kind": "trace", "path": path},
            "forecast": {"mode": "perfect"},
            "workload": {
                "name": spec.workload, "split": {"kind": "dirichlet", "seed": 0}, "batched": False,
            },
            "run": spec,
            "clients": [
                {"zone": zone, "count": 1, "power_w": 200, "idle_w": 20, "examples_per_s": speed}
                for zone, speed in SPEEDS.items()
            ],
        }
    )  # fmt: skip


@contextmanager
def _opened(folder: Path) -> Iterator[tuple[FederationLedger, Blobs]]:
    folder.mkdir()
    ledger = open_ledger(f"sqlite:///{folder / 'ledger.sqlite'}", GridClock())
    try:
        yield ledger, Blobs(folder / "blobs")
    finally:
        ledger.close()


def _stop_of(*drafts: Draft) -> list[Draft]:
    """Return that the user stops a run, if these are of the score after which they do."""
    return [
        Draft(RunStopRequested(), run=d.run)
        for d in drafts
        if (d.run, d.kind, d.round) == ("stopped", RoundEvaluated.kind, STOP_AFTER)
    ]


class _StoppedAfter(OnDisk):
    """A simulation's journal whose user stops a run."""

    def record(self, at: Any, *drafts: Draft) -> None:
        super().record(at, *drafts)
        super().record(at, *_stop_of(*drafts))


class _VirtuallyTimed(LedgerHistory):
    """Production's history, under a virtual clock, whose user stops a run."""

    def __init__(self, ledger: FederationLedger, blobs: Blobs, clock: VirtualClock) -> None:
        at = cast("FederationLedger", _At(ledger, clock))
        folder = blobs.folder.parent
        witness = Witness(ledger, folder / "heads", key_file=folder / "none")
        super().__init__(at, blobs, witness)

    def append(self, *drafts: Draft, after: int) -> bool:
        appended = super().append(*drafts, after=after)
        if stop := _stop_of(*drafts):
            super().append(*stop, after=self.state.seq)
        return appended


class _At:
    """A ledger whose wall clock is virtual."""

    def __init__(self, ledger: FederationLedger, clock: VirtualClock) -> None:
        self.state = ledger.state
        self._ledger, self._clock = ledger, clock

    def transaction(self) -> Any:
        return self._ledger.transaction(at=self._clock.wall())


class _Trains(NoLearning):
    """Knows on how many examples each site scores; the sites themselves learn."""

    def __init__(self, held_out: Mapping[str, int]) -> None:
        super().__init__(seed=0)
        self._held_out = held_out

    def num_held_out(self, client: str) -> int:
        return self._held_out[client]


class _Sites:
    """Sites that answer when virtual ones do, and really train, encode and send."""

    def __init__(
        self, virtual: VirtualWork, trainers: Mapping[str, Trainer], blobs: Blobs,
        transport: FolderTransport, journal: OnDisk,
    ) -> None:  # fmt: skip
        self._virtual, self._trainers, self._journal = virtual, trainers, journal
        self._blobs, self._transport = blobs, transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._virtual, name)

    def arrive(self) -> Receipt:
        receipt = self._virtual.arrive()
        run = self._journal.state.runs[receipt.run]
        if receipt.outcome == "evaluated":
            assert run.version is not None
            metrics, num_held_out = self._trainers[receipt.client].score(
                read_state(self._blobs.path(run.version))
            )
            changes = {"metrics": metrics, "num_held_out": num_held_out}
            return receipt.model_copy(update=changes)
        counts = receipt.update and worth(self._journal.state, receipt) == "count"
        return receipt.model_copy(update=self._trained(run, receipt)) if counts else receipt

    def _trained(self, run: Run, receipt: Receipt) -> dict[str, object]:
        client, issued = receipt.client, receipt.round
        assert run.open_round is not None
        assert receipt.update is not None
        part = run.open_round.part(client, issued)
        assert part is not None
        asked = run.spec.hyperparameters.in_round(issued).with_epochs(part.epochs)
        seed = derive_seed(run.spec.seed, run.id, issued, client)
        result = self._trainers[client].train(
            read_state(self._blobs.path(part.base_version)), hyperparameters=asked, seed=seed,
            scores=run.sites_evaluate,
        )  # fmt: skip
        made = encode_update(
            result.delta, run.spec.encoding, seed=seed, error_feedback=False, memory={},
            age_rounds=0,
        )  # fmt: skip
        with self._blobs.workspace() as folder:
            write_state(made.tensors, folder / "update")
            name = self._blobs.keep(folder / "update")
        path = self._blobs.path(name)
        sent = self._transport.put(receipt.update.key, path, name)
        assert isinstance(sent, BlobRef)
        return {
            "update": sent, "num_examples": result.num_examples, "num_steps": result.num_steps,
            "loss": result.loss, "utility": result.utility, "metrics": result.metrics,
            "num_held_out": result.num_held_out,
        }  # fmt: skip


def _played_by_production(scenario: Scenario, folder: Path) -> list[Event]:
    """Return the events of a run by production's history and learning, under a virtual clock."""

    clock, sites, truth = VirtualClock(scenario.start), make_sites(scenario), make_truth(scenario)
    name = scenario.workload.name
    workload = load_workload(name, allowed=(name,))
    data = split_data(
        workload, scenario.workload.split, list(sites), clean=[False] * len(sites), seed=0
    )
    tests = _held_out(workload, list(sites))
    trainers = {c: Trainer.of(workload, data[c], tests.get(c)) for c in sites}
    with _one_thread(), _opened(folder) as (ledger, blobs):
        journal, transport = (
            OnDisk(ledger, blobs),
            FolderTransport(folder / "transport", ttl_s=3600),
        )
        run = SimulatedRun(
            scenario, sites, _examples(sites, data),
            grid=cast("Any", Grid(truth.signal, FLOW_TRACED)), clock=clock,
            learner=_Trains({c: len(tests.get(c, ())) for c in sites}), journal=journal,
            rule=GateRule.of(scenario.gate, FLOW_TRACED),
        )  # fmt: skip
        run._work = cast("Any", _Sites(run._work, trainers, blobs, transport, journal))
        run._world = replace(
            run._world, history=_VirtuallyTimed(ledger, blobs, clock), work=run._work,
            learning=BlobLearning(
                blobs, transport, Workbench((name,)), home=folder, max_update_nbytes=10**9
            ),
        )  # fmt: skip
        for _ in run.follow():
            pass
        return list(ledger.events())


def _held_out(workload: Any, clients: list[str]) -> dict[str, Any]:
    if workload.test_data() is not None:
        return {}
    return {client: workload.held_out_data(client) for client in clients}


MEASURED = {"accept_s", "evaluate_s", "phases"}
"""What this machine's clock measures."""

NOT_KEPT = {"sha256", "nbytes", "pulled_nbytes", "network_wh", "verdicts", "server_state"}
"""A simulation writes no file of an update or a server optimizer's state."""


def _story(events: list[Event]) -> list[tuple[Any, ...]]:
    lines = []
    for event in events:
        payload = without(event.payload.model_dump(mode="json"), MEASURED | NOT_KEPT)
        if event.kind == "update.accepted":
            # It is summed in another order: the last digits of a float differ.
            payload["admission"]["norm"] = round(payload["admission"]["norm"], 9)
        lines.append((event.kind, event.grid_at, event.round, event.client, payload))
    return lines
