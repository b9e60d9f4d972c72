"""Whatever is killed, and whenever: the model is the one that an undisturbed run gives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from common import settings
from models.aggregation import Contribution
from models.algorithms.scaffold import correction, next_client_control, next_server_control
from models.error_feedback import encode_update
from models.local_part import LocalPart
from models.memory import Memory
from models.serialization import read_state, write_state
from models.server_optimizers import make_server_optimizer
from models.training import Trainer, warm_up
from models.update import State
from models.version import make_version
from models.workload import load_workload
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.events import RoundPlanned, UpdateAccepted
from scheduler.ledger.run_spec import RunSpec
from scheduler.rounds.scaffold import reach
from scheduler.selection.plan import derive_seed
from tasks.coordinator.workbench import Workbench
from tasks.local.federation import BEAT, COORDINATOR, PROJECT, site_name
from tasks.local.redis_server import RedisServer
from tests.integration.fleet import Failpoint, Fleet, assert_accounted_for, running_fleet

pytestmark = pytest.mark.slow

ZONES = {"north": "NO-NO1", "south": "ES", "west": "FR"}
INTENSITIES = '{"NO-NO1": 20, "ES": 90, "FR": 50}'
ROUNDS = 3


@contextmanager
def sound_fleet(folder: Path, **more: str) -> Iterator[Fleet]:
    """Run a federation under grids that stand still; at its end nothing is damaged.

    Args:
        folder: Where its own folder is made.
        **more: Further settings.
    """
    values = {"FAIRWIND_STATIC_GCO2EQ_PER_KWH": INTENSITIES, **more}
    with running_fleet(folder / "federation", ZONES, settings=values) as fleet:
        yield fleet
        assert_no_error_has_escaped_and_the_ledger_is_whole(fleet)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with sound_fleet(tmp_path_factory.mktemp("faults")) as fleet:
        yield fleet


@pytest.fixture
def fleet(started: Fleet, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """The federation of all tests here, with whatever the test before killed up again."""
    running = started.local.processes.names
    if COORDINATOR not in running:
        started.local.start_coordinator()
    if BEAT not in running:
        started.local.start_beat()
    for client in ZONES:
        if f"site-{client}" not in running:
            started.start_site(client)
    return all_alive(started, monkeypatch)


def all_alive(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """Return the federation once all sites live, whose parts of the data this process has, too.

    Undisturbed versions are made of them here.
    """
    fleet.wait_alive(*ZONES)
    monkeypatch.setenv("FAIRWIND_PARTITION", ",".join(ZONES))
    settings.load.cache_clear()
    return fleet


def assert_no_error_has_escaped_and_the_ledger_is_whole(fleet: Fleet) -> None:
    for name in fleet.local.processes.names:
        log = fleet.log(name)
        for room in ("common", "models", "scheduler", "tasks"):
            assert f'File "{PROJECT / room}' not in log, name
        assert "redis.exceptions" not in log, name
    incoming = fleet.home / "blobs" / "incoming"
    fleet.wait(lambda: not any(incoming.iterdir()), "the next sweep of what the killed ones left")
    verified = fleet.local.fairwind("ledger", "verify")
    assert verified.returncode == 0, verified.stderr
    replayed = fleet.local.fairwind("ledger", "replay")
    assert replayed.returncode == 0, replayed.stdout
    assert replayed.stdout.endswith("all the same.\n")


def redis_server(fleet: Fleet) -> RedisServer:
    assert fleet.local.redis is not None
    return fleet.local.redis


def start(fleet: Fleet, run: str) -> None:
    """Start a run in which every client takes part in every round."""
    fleet.start_run(run, rounds=ROUNDS, quorum=len(ZONES))


def assert_as_if_undisturbed(fleet: Fleet, run: str, folder: Path) -> None:
    ended = fleet.wait_ended(run)
    assert ended.end_reason == "rounds"
    assert_accounted_for(fleet, run)
    assert len(fleet.events("update.accepted", run)) == (ended.spec.rounds or 0) * len(ZONES)
    assert ended.version == undisturbed_version(ended.spec, folder)


def undisturbed_version(spec: RunSpec, folder: Path) -> str:
    """Return the last version of a run as plain function calls in this process make it.

    There is no Celery here, no Redis and no ledger, so there is nothing that could be disturbed.
    """
    warm_up(1)
    blobs, workbench = Blobs(folder / "undisturbed"), Workbench((spec.workload,))
    workload = load_workload(spec.workload, allowed=(spec.workload,))
    trainers = {client: Trainer(workload, client) for client in ZONES}
    memory: dict[str, Memory] = {client: {} for client in ZONES}
    server: State | None = None
    controls: dict[str, State] = {}
    scratch = blobs.incoming / "scratch"
    write_state(workbench.first_version(spec, blobs), scratch)
    version = blobs.keep(scratch)
    for number in range(1, (spec.rounds or 0) + 1):
        base = read_state(blobs.path(version))
        contributions = []
        for client, trainer in trainers.items():
            seed = derive_seed(spec.seed, spec.id, number, client)
            sent = correction(server, controls.get(client)) if server else None
            result = trainer.train(
                base, hyperparameters=spec.hyperparameters, seed=seed,
                part=LocalPart(personal=spec.personal), memory=memory[client], correction=sent,
            )  # fmt: skip
            update = encode_update(
                result.delta, spec.encoding, seed=seed, error_feedback=spec.feeds_errors_back,
                memory=memory[client], age_rounds=1,
            )  # fmt: skip
            memory[client] = result.memory | update.memory
            write_state(update.tensors, scratch)
            delta = blobs.path(blobs.keep(scratch))
            scaffold = spec.algorithm == "scaffold"
            contributions.append(Contribution(delta, 1 if scaffold else result.num_examples))
            if scaffold:
                assert result.num_steps is not None
                controls[client] = next_client_control(
                    sent, result.delta, base,
                    reach=reach(spec.hyperparameters, result.num_steps), weight_decay=0.0,
                    parameters=workbench.parameters(spec),
                )  # fmt: skip
        if controls:
            server = next_server_control([c for _, c in sorted(controls.items())], len(ZONES))
        made = make_version(
            blobs.path(version), None, contributions,
            signature=workbench.signature(spec),
            parameters=workbench.parameters(spec),
            norm_bound=spec.norm_bound, encoding=spec.encoding,
            optimizer=make_server_optimizer(spec.server_optimizer.name), folder=blobs.incoming,
        )  # fmt: skip
        version = blobs.keep(made.model)
    return version


@contextmanager
def dies(fleet: Fleet, process: str, run: str) -> Iterator[None]:
    fleet.restart(process)
    yield
    if process in ZONES:
        fleet.wait_ended(run)
        assert {event.client for event in fleet.events("assignment.reissued", run)} == {process}


@contextmanager
def beat_dies(fleet: Fleet, process: str, run: str) -> Iterator[None]:
    fleet.local.processes.kill(BEAT)
    yield
    # Rounds chain on events: the run goes on without beat.
    fleet.wait_event(RoundPlanned, run, round=2)
    fleet.local.start_beat()


@contextmanager
def redis_dies(fleet: Fleet, process: str, run: str) -> Iterator[None]:
    redis_server(fleet).kill()
    redis_server(fleet).restart()
    yield


@contextmanager
def redis_is_flushed(fleet: Fleet, process: str, run: str) -> Iterator[None]:
    fleet.redis.flushall()
    yield


@contextmanager
def redis_is_away_for_an_answer(fleet: Fleet, process: str, run: str) -> Iterator[None]:
    redis_server(fleet).kill()
    before = len(fleet.log(site_name(process)))
    yield
    fleet.wait(
        lambda: "transfer.interrupted" in fleet.log(site_name(process))[before:],
        "an update that cannot leave",
    )
    redis_server(fleet).restart()
    fleet.wait_ended(run)
    assert fleet.events("assignment.failed", run) == []


@contextmanager
def redis_is_away_for_an_update(fleet: Fleet, process: str, run: str) -> Iterator[None]:
    redis_server(fleet).kill()
    yield
    fleet.wait_event(UpdateAccepted, run)
    redis_server(fleet).restart()


FAULTS = [
    # who is stopped there, where, and what happens meanwhile
    ("west", "site.training", dies),
    ("west", "site.kept", dies),
    ("west", "site.offered", dies),
    (COORDINATOR, "round.planned", dies),
    (COORDINATOR, "update.received", dies),
    (COORDINATOR, "update.stored", dies),
    (COORDINATOR, "update.recorded", dies),
    (COORDINATOR, "round.committed", dies),
    (COORDINATOR, "round.summed", dies),
    ("north", "site.training", beat_dies),
    ("south", "site.training", redis_dies),
    ("south", "site.training", redis_is_flushed),
    ("south", "site.offered", redis_is_flushed),
    ("west", "site.training", redis_is_away_for_an_answer),
    (COORDINATOR, "update.stored", redis_is_away_for_an_update),
]


@pytest.mark.parametrize(("process", "place", "fault"), FAULTS)
def test_a_fault_leaves_no_trace_in_the_model(process, place, fault, fleet, tmp_path):
    run, failpoint = f"{process}-{place}-{fault.__name__}", Failpoint(place, tmp_path)
    fleet.restart(process, failpoint.env)
    start(fleet, run)
    fleet.wait(failpoint.reached, place)
    with fault(fleet, process, run):
        failpoint.release()
    assert_as_if_undisturbed(fleet, run, tmp_path)


def test_an_undisturbed_run_gives_what_plain_function_calls_give(fleet, tmp_path):
    start(fleet, "undisturbed")
    assert_as_if_undisturbed(fleet, "undisturbed", tmp_path)


def test_a_run_that_does_not_wait_for_all_survives_the_death_of_a_site(fleet, tmp_path):
    failpoint = Failpoint("site.training", tmp_path)
    fleet.restart("west", failpoint.env)
    fleet.start_run("not-all", rounds=4, quorum=2, policy="fairwind")
    fleet.wait(failpoint.reached, "training")
    fleet.kill_site("west")
    ended = fleet.wait_ended("not-all")
    assert ended.end_reason == "rounds"
    assert len(ended.closed) == 4
    assert_accounted_for(fleet, "not-all")
