"""Asynchronous runs across processes: every site in its own time, also where processes die."""

from __future__ import annotations

import sys
import time

import pytest

from models.batched import ClientWork
from models.training import warm_up
from models.workload import load_workload
from scheduler.federation.federation import Federation
from scheduler.federation.fold import apply
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.events import RoundClosed, RoundCommitted, UpdateAccepted
from scheduler.selection.plan import derive_seed
from simulation.ports.learning import InMemoryLearning
from simulation.ports.liars import Liars
from tasks.coordinator.work import model_ref
from tests.integration.fleet import Fleet, assert_accounted_for
from tests.integration.test_faults import ZONES
from tests.integration.test_kills import SEEDS, fleet, happen, schedule, started

__all__ = ["fleet", "started"]

ROUNDS = 12


def begin(fleet: Fleet, run: str, rounds: int = ROUNDS, update: str = "float32") -> None:
    """Start a run in which two updates make a version and three clients train at once."""
    fleet.start_run(
        run, mode="async", buffer=2, concurrency=3, rounds=rounds, update=update, bias="none"
    )


def assert_every_version_is_proven(fleet: Fleet, run: str) -> None:
    """Check that each version is a full buffer's, and can be made again from the ledger."""
    ended = fleet.wait_ended(run)
    assert ended.end_reason == "rounds"
    assert_accounted_for(fleet, run)
    assert all(len(closed.manifest) >= 2 for closed in ended.closed)
    for closed, committed in zip(
        ended.closed, fleet.payloads(RoundCommitted, run)[-len(ended.closed) :], strict=True
    ):
        assert committed.manifest == closed.manifest
        weights = sum(line.weight for line in closed.manifest)
        fresh = all(line.issued == closed.number for line in closed.manifest)
        assert committed.divisor is not None
        assert weights == committed.divisor if fresh else weights < committed.divisor


def assert_a_simulation_learns_the_same(fleet: Fleet, run: str) -> None:
    """Check that virtual sites, whose answers come in the same order, make the same versions."""
    warm_up(1)
    spec = fleet.run(run).spec
    workload = load_workload(spec.workload, allowed=(spec.workload,))
    data = {client: workload.train_data(client) for client in ZONES}
    learner = InMemoryLearning(
        workload, data, held_out=None, site_tests={}, spec=spec, batched=False, liars=Liars({})
    )
    state, same = Federation(), list[bool]()
    for event in fleet.ledger.events():
        seen = state.runs.get(run)
        if seen is not None and seen.open_round is not None and event.run == run:
            match event.payload:
                case UpdateAccepted():
                    seed = derive_seed(spec.seed, run, event.round, event.client)
                    work = ClientWork(event.client, seed, spec.hyperparameters.epochs)
                    learner.train([work], seen.open_round)
                case RoundClosed(version=version):
                    same.append(learner.make(seen, seen.open_round).version == version)
                case _:
                    pass
        apply(state, event)
    assert same == [True] * len(fleet.run(run).closed)


def test_sites_train_in_their_own_time_and_old_updates_count_less(fleet):
    begin(fleet, "own-time")
    assert_every_version_is_proven(fleet, "own-time")
    accepted = fleet.payloads(UpdateAccepted, "own-time")
    assert {update.admission.staleness for update in accepted} > {0}
    assert len(accepted) == 2 * ROUNDS  # nobody trained for nothing
    assert_a_simulation_learns_the_same(fleet, "own-time")
    best = fleet.run("own-time").best_value
    assert best is not None
    assert best > 0.8


def test_no_version_is_left_in_flight_that_nobody_trains_from(fleet):
    begin(fleet, "in-flight")
    ended = fleet.wait_ended("in-flight")
    blobs = Blobs(fleet.home / "blobs")
    bases = {closed.base_version for closed in ended.closed}
    keys = {model_ref(blobs, version).key for version in bases}
    in_flight = {key.decode() for key in fleet.redis.keys("*")}
    assert not [key for key in in_flight if any(base in key for base in keys)]


def test_a_version_is_the_mean_of_the_latest_models_and_replay_proves_it(fleet):
    words = ["--mode=async", "--buffer=2", "--concurrency=3", f"--rounds={ROUNDS}", "--policy=all"]
    started = fleet.local.fairwind("run", "start", "digits", "--id=memory", *words)
    assert "Bias memory: the latest models of 3 clients take" in started.stdout
    ended = fleet.wait_ended("memory")
    assert ended.spec.bias == "memory"
    assert_accounted_for(fleet, "memory")
    assert any(closed.latest for closed in ended.closed)
    assert_a_simulation_learns_the_same(fleet, "memory")
    assert ended.best_value is not None
    assert ended.best_value > 0.8


def test_a_late_update_counts_in_the_next_round_of_a_real_federation(fleet):
    fleet.start_run("late", cohort=1, quorum=1, over_selection=2, late="count", rounds=ROUNDS)
    ended = fleet.wait_ended("late")
    assert_accounted_for(fleet, "late")
    assert any(line.issued < closed.number for closed in ended.closed for line in closed.manifest)
    assert_a_simulation_learns_the_same(fleet, "late")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", list(SEEDS)[:5])
def test_accidents_at_random_lose_no_update_and_count_none_twice(seed, fleet):
    run = f"own-time-{seed}"
    begin(fleet, run, rounds=40, update="topk:0.05")
    for kill in schedule(seed):
        sys.stdout.write(f"{kill}\n")
        time.sleep(kill.after_s)
        happen(fleet, kill)
    assert_every_version_is_proven(fleet, run)
    remembered = [update.work for update in fleet.payloads(UpdateAccepted, run)]
    assert all(work.memory and not work.memory_lost for work in remembered)
