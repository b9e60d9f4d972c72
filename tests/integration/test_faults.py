"""Whatever is killed, and whenever: the model is the one that an undisturbed run gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from common import settings
from models.aggregation import Contribution, grid_exponent
from models.serialization import read_state, write_state
from models.server_optimizers import make_server_optimizer
from models.training import Trainer, warm_up
from models.version import make_version
from models.workload import load_workload
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.events import RoundPlanned, UpdateAccepted
from scheduler.ledger.run_spec import RunSpec
from scheduler.selection.plan import derive_seed
from tasks.coordinator.workbench import Workbench
from tasks.local.federation import BEAT, COORDINATOR, PROJECT
from tests.integration.fleet import Failpoint, Fleet, assert_accounted_for, running_fleet

pytestmark = pytest.mark.slow

ZONES = {"north": "NO-NO1", "south": "ES", "west": "FR"}
INTENSITIES = '{"NO-NO1": 20, "ES": 90, "FR": 50}'
ROUNDS = 3


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("faults")
    values = {"FAIRWIND_STATIC_GCO2EQ_PER_KWH": INTENSITIES}
    with running_fleet(folder / "federation", ZONES, settings=values) as fleet:
        yield fleet


@pytest.fixture
def fleet(started: Fleet) -> Fleet:
    """The federation of all tests here, with whatever the test before killed up again."""
    running = started.local.processes.names
    if COORDINATOR not in running:
        started.local.start_coordinator()
    if BEAT not in running:
        started.local.start_beat()
    for client in ZONES:
        if f"site-{client}" not in running:
            started.start_site(client)
    started.wait_alive(*ZONES)
    return started


def start(fleet: Fleet, run: str) -> None:
    """Start a run in which every client takes part in every round."""
    fleet.start_run(run, rounds=ROUNDS, quorum=len(ZONES))


def assert_as_if_undisturbed(
    fleet: Fleet, run: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = fleet.wait_ended(run)
    assert ended.end_reason == "rounds"
    assert_accounted_for(fleet, run)
    assert len(fleet.events("update.accepted", run)) == ROUNDS * len(ZONES)
    monkeypatch.setenv("FAIRWIND_PARTITION", ",".join(ZONES))
    settings.load.cache_clear()
    assert ended.version == undisturbed_version(ended.spec, folder)


def undisturbed_version(spec: RunSpec, folder: Path) -> str:
    """Return the last version of a run as plain function calls in this process make it.

    There is no Celery here, no Redis and no ledger, so there is nothing that could be disturbed.
    """
    warm_up(1)
    blobs, workbench = Blobs(folder / "undisturbed"), Workbench((spec.workload,))
    workload = load_workload(spec.workload, allowed=(spec.workload,))
    trainers = {client: Trainer(workload, client) for client in ZONES}
    scratch = blobs.incoming / "scratch"
    write_state(workbench.first_version(spec.workload, spec.seed), scratch)
    version = blobs.keep(scratch)
    for number in range(1, ROUNDS + 1):
        base = read_state(blobs.path(version))
        contributions = []
        for client, trainer in trainers.items():
            seed = derive_seed(spec.seed, spec.id, number, client)
            result = trainer.train(base, hyperparameters=spec.hyperparameters, seed=seed)
            write_state(result.delta, scratch)
            delta = blobs.path(blobs.keep(scratch))
            contributions.append(Contribution(delta, result.num_examples))
        model, _ = make_version(
            blobs.path(version), None, contributions,
            signature=workbench.signature(spec.workload),
            parameters=workbench.parameters(spec.workload),
            exponent=grid_exponent(spec.norm_bound, spec.weight_cap * len(ZONES)),
            optimizer=make_server_optimizer(spec.server_optimizer.name), folder=blobs.incoming,
        )  # fmt: skip
        version = blobs.keep(model)
    return version


def test_an_undisturbed_run_gives_what_plain_function_calls_give(fleet, tmp_path, monkeypatch):
    start(fleet, "undisturbed")
    assert_as_if_undisturbed(fleet, "undisturbed", tmp_path, monkeypatch)


@pytest.mark.parametrize("place", ["site.training", "site.kept", "site.offered"])
def test_a_site_is_killed(place, fleet, tmp_path, monkeypatch):
    run, failpoint = f"site-killed-{place}", Failpoint(place, tmp_path)
    fleet.kill_site("west")
    fleet.start_site("west", failpoint.env)
    start(fleet, run)
    fleet.wait(failpoint.reached, place)
    fleet.kill_site("west")
    fleet.start_site("west")
    assert_as_if_undisturbed(fleet, run, tmp_path, monkeypatch)
    assert {event.client for event in fleet.events("assignment.reissued", run)} == {"west"}


@pytest.mark.parametrize(
    "place",
    [
        "round.planned",
        "update.received",
        "update.stored",
        "update.recorded",
        "round.committed",
        "round.summed",
    ],
)
def test_the_coordinator_is_killed(place, fleet, tmp_path, monkeypatch):
    run, failpoint = f"coordinator-killed-{place}", Failpoint(place, tmp_path)
    fleet.kill_coordinator()
    fleet.local.start_coordinator(**failpoint.env)
    start(fleet, run)
    fleet.wait(failpoint.reached, place)
    fleet.kill_coordinator()
    fleet.local.start_coordinator()
    assert_as_if_undisturbed(fleet, run, tmp_path, monkeypatch)


def test_beat_is_killed(fleet, tmp_path, monkeypatch):
    failpoint = Failpoint("site.training", tmp_path)
    fleet.kill_site("north")
    fleet.start_site("north", failpoint.env)
    start(fleet, "beat-killed")
    fleet.wait(failpoint.reached, "training")
    fleet.local.processes.kill(BEAT)
    failpoint.release()
    # Rounds chain on events: the run goes on without beat.
    fleet.wait_event(RoundPlanned, "beat-killed", round=2)
    fleet.local.start_beat()
    assert_as_if_undisturbed(fleet, "beat-killed", tmp_path, monkeypatch)


def test_redis_is_killed_and_comes_back_empty(fleet, tmp_path, monkeypatch):
    failpoint = Failpoint("site.training", tmp_path)
    fleet.kill_site("south")
    fleet.start_site("south", failpoint.env)
    start(fleet, "redis-killed")
    fleet.wait(failpoint.reached, "training")
    fleet.local.redis.kill()
    fleet.local.redis.restart()
    failpoint.release()
    assert_as_if_undisturbed(fleet, "redis-killed", tmp_path, monkeypatch)


def test_redis_is_away_when_a_site_has_trained(fleet, tmp_path, monkeypatch):
    failpoint = Failpoint("site.training", tmp_path)
    fleet.kill_site("west")
    fleet.start_site("west", failpoint.env)
    start(fleet, "redis-away")
    fleet.wait(failpoint.reached, "training")
    fleet.local.redis.kill()
    failpoint.release()
    fleet.wait(lambda: "receipt.not_sent" in fleet.log("site-west"), "a receipt that cannot leave")
    fleet.local.redis.restart()
    assert_as_if_undisturbed(fleet, "redis-away", tmp_path, monkeypatch)
    assert fleet.events("assignment.failed", "redis-away") == []


def test_redis_is_away_when_the_coordinator_records_an_update(fleet, tmp_path, monkeypatch):
    failpoint = Failpoint("update.stored", tmp_path)
    fleet.kill_coordinator()
    fleet.local.start_coordinator(**failpoint.env)
    start(fleet, "redis-away-at-accept")
    fleet.wait(failpoint.reached, "an update")
    fleet.local.redis.kill()
    failpoint.release()
    fleet.wait_event(UpdateAccepted, "redis-away-at-accept")
    fleet.local.redis.restart()
    assert_as_if_undisturbed(fleet, "redis-away-at-accept", tmp_path, monkeypatch)


def test_redis_is_flushed_during_training(fleet, tmp_path, monkeypatch):
    failpoint = Failpoint("site.training", tmp_path)
    fleet.kill_site("south")
    fleet.start_site("south", failpoint.env)
    start(fleet, "flushed")
    fleet.wait(failpoint.reached, "training")
    fleet.redis.flushall()
    failpoint.release()
    assert_as_if_undisturbed(fleet, "flushed", tmp_path, monkeypatch)


def test_redis_is_flushed_when_the_bytes_of_an_update_wait_in_it(fleet, tmp_path, monkeypatch):
    failpoint = Failpoint("site.offered", tmp_path)
    fleet.kill_site("south")
    fleet.start_site("south", failpoint.env)
    start(fleet, "bytes-flushed")
    fleet.wait(failpoint.reached, "the offer")
    fleet.redis.flushall()
    failpoint.release()
    assert_as_if_undisturbed(fleet, "bytes-flushed", tmp_path, monkeypatch)


def test_a_run_that_does_not_wait_for_all_survives_the_death_of_a_site(fleet, tmp_path):
    failpoint = Failpoint("site.training", tmp_path)
    fleet.kill_site("west")
    fleet.start_site("west", failpoint.env)
    fleet.start_run("not-all", rounds=4, quorum=2, policy="fairwind")
    fleet.wait(failpoint.reached, "training")
    fleet.kill_site("west")
    ended = fleet.wait_ended("not-all")
    assert ended.end_reason == "rounds"
    assert len(ended.closed) == 4
    assert_accounted_for(fleet, "not-all")


def test_after_all_of_this_no_error_has_escaped_and_the_ledger_is_whole(fleet):
    for name in fleet.local.processes.names:
        log = fleet.log(name)
        for room in ("common", "models", "scheduler", "tasks"):
            assert f'File "{PROJECT / room}' not in log, name
        assert "redis.exceptions" not in log, name
    verified = fleet.local.fairwind("ledger", "verify")
    assert verified.returncode == 0, verified.stderr
    replayed = fleet.local.fairwind("ledger", "replay")
    assert replayed.returncode == 0, replayed.stdout
    assert replayed.stdout.endswith("all the same.\n")
