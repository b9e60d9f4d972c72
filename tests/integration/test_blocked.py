"""What fails in one run: it is blocked, says why, and goes on by itself; others never notice."""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from common.settings import Settings
from scheduler.federation.run import Blocked
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.event import Draft
from scheduler.ledger.events import (
    ClientEnrolled,
    RoundClosed,
    RoundPlanned,
    RunBlocked,
    RunEnded,
    RunOpened,
    RunUnblocked,
    UpdateAccepted,
    UpdateFault,
    UpdateLost,
    UpdateRestored,
)
from scheduler.ledger.run_spec import RunSpec
from tasks.coordinator.replay import Replayed, replay_run
from tests.integration.breakable import SLOW_S
from tests.integration.fleet import CELERY, Fleet, assert_accounted_for, refusal, running_fleet

ZONES = {"north": "NO-NO1", "west": "FR", "south": "ES"}
BREAKABLE = "tests.integration.breakable:workload"
SECOND = [sys.executable, *CELERY, "worker", "-Q", "coordinator,aggregation", "-n", "second@%h"]
"""The command of a second coordinator."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One federation, in which whatever a test breaks is mended when it ends."""
    settings = {
        "FAIRWIND_STATIC_GCO2EQ_PER_KWH": '{"NO-NO1": 20, "FR": 50, "ES": 90}',
        "FAIRWIND_WORKLOADS": f"digits,{BREAKABLE}",
    }
    folder = tmp_path_factory.mktemp("blocked") / "federation"
    with running_fleet(folder, ZONES, settings=settings) as started:
        yield started


Mend = Callable[[], object]


def begin(fleet: Fleet, run: str, **asked: Any) -> None:
    usual = {"workload": BREAKABLE, "policy": "all", "rounds": 2}
    fleet.begin_run(RunSpec(id=run, **(usual | asked)))


def break_code(fleet: Fleet, function: str, run: str, **asked: Any) -> Mend:
    """Let a function of the run's workload or policy raise at the coordinator."""
    flag = fleet.local.folder / f"{function}.broken"
    flag.touch()
    begin(fleet, run, **asked)
    return flag.unlink


def break_opening(fleet: Fleet, run: str) -> Mend:
    return break_code(fleet, "model", run)


def break_scoring(fleet: Fleet, run: str) -> Mend:
    """Break the metrics after version 0 was evaluated, while the first round is under way."""
    held, flag = fleet.local.folder / "held", fleet.local.folder / "metrics.broken"
    held.touch()
    begin(fleet, run)
    fleet.wait_event(RunOpened, run)
    flag.touch()
    held.unlink()
    return flag.unlink


def break_planning(fleet: Fleet, run: str) -> Mend:
    return break_code(fleet, "policy", run, policy="tests.integration.breakable:policy")


def break_closing(fleet: Fleet, run: str) -> Mend:
    """Put a folder where an accepted update is, while its round waits for another one."""
    with held(fleet):
        begin(fleet, run)
        accepted = fleet.wait_event(UpdateAccepted, run)
        blob = Blobs(fleet.home / "blobs").path(accepted.admission.sha256)
        hidden = blob.rename(fleet.local.folder / f"{run}.hidden")
        blob.mkdir()

    def mend() -> None:
        blob.rmdir()
        shutil.move(hidden, blob)

    return mend


@contextmanager
def held(fleet: Fleet) -> Iterator[None]:
    """Let the site west wait in its training."""
    file = fleet.local.folder / "held"
    file.touch()
    yield
    file.unlink()


def break_exporting(fleet: Fleet, run: str) -> Mend:
    """Put a file where the run's folder is to be."""
    folder: Path = fleet.home / "runs" / run
    folder.parent.mkdir(exist_ok=True)
    folder.touch()
    begin(fleet, run)
    return folder.unlink


STEPS = {
    "open": (break_opening, "model"),
    "close": (break_closing, "Is a directory"),
    "plan": (break_planning, "policy"),
    "score": (break_scoring, "metrics"),
    "end": (break_exporting, "File exists"),
}
"""By the step that fails, what makes it fail, and a word of what is then reported."""


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_fails_is_blocked_alone_and_goes_on_when_the_cause_is_gone(
    fleet: Fleet, step: str
) -> None:
    break_it, word = STEPS[step]
    run, beside = f"blocked-at-{step}", f"beside-{step}"
    mend = break_it(fleet, run)
    blocked = wait_blocked(fleet, run, step)
    assert word in blocked.text
    begin(fleet, beside, workload="digits")
    assert fleet.wait_ended(beside).end_reason == "rounds"
    assert blocked.text in fleet.local.fairwind("status", f"--run={run}").stdout
    checked = fleet.local.fairwind("check").stdout
    assert blocked.text in checked
    assert "Ready." not in checked
    if step == "open":
        planned = fleet.local.fairwind("plan", f"--run={run}").stdout
        assert "Nothing trains while the run is blocked" in planned
    # Once, however often it was tried again.
    assert len(fleet.payloads(RunBlocked, run)) == 1
    mend()
    ended = fleet.wait_ended(run)
    # Nothing is left to go on with where it was the end that failed.
    assert len(fleet.payloads(RunUnblocked, run)) == (step != "end")
    assert (ended.end_reason, ended.blocked, len(ended.closed)) == ("rounds", None, 2)
    assert all(closed.metrics for closed in ended.closed)
    assert (fleet.home / "runs" / run / "best.safetensors").exists()
    assert_accounted_for(fleet, run)


@pytest.mark.parametrize("step", STEPS)
def test_a_blocked_run_and_one_beside_it_can_be_stopped(fleet: Fleet, step: str) -> None:
    break_it, _ = STEPS[step]
    run, beside = f"stopped-at-{step}", f"going-on-beside-{step}"
    mend = break_it(fleet, run)
    wait_blocked(fleet, run, step)
    begin(fleet, beside, workload="digits", rounds=100_000)
    fleet.wait_event(RoundClosed, beside)
    for each in (run, beside):
        done = fleet.local.fairwind("run", "stop", each)
        assert done.stdout == f"{each} will stop.\n"
        assert fleet.wait_ended(each).end_reason == "stopped"
    mend()
    (ended,) = fleet.payloads(RunEnded, run)
    # What could not be given to the user is said; what failed before has been said already.
    assert bool(ended.text) == (step == "end")
    if step == "end":
        assert ended.text.startswith(f"The models of {run} could not be written to ")
        assert ended.text.endswith(f"fairwind run export {run}")
        assert fleet.local.fairwind("run", "export", run).returncode == 0
        assert (fleet.home / "runs" / run / "best.safetensors").exists()
    assert fleet.payloads(RunUnblocked, run) == []


def wait_blocked(fleet: Fleet, run: str, step: str) -> Blocked:
    def found() -> Blocked | None:
        state = fleet.state()
        return state.runs[run].blocked if run in state.runs else None

    blocked = fleet.local.wait_for(found, 60, f"{run} to be blocked")
    assert blocked.step == step, blocked
    return blocked


@pytest.mark.parametrize("fault", ["missing", "altered"])
def test_an_update_that_is_lost_before_its_round_closes_is_asked_for_again(
    fleet: Fleet, fault: UpdateFault
) -> None:
    run = f"update-{fault}"
    with held(fleet):
        begin(fleet, run)
        accepted = fleet.wait_event(UpdateAccepted, run)
        blob = Blobs(fleet.home / "blobs").path(accepted.admission.sha256)
        blob.unlink()
        if fault == "altered":
            blob.write_bytes(b"x" * accepted.admission.nbytes)
    ended = fleet.wait_ended(run)
    assert (ended.end_reason, fleet.payloads(RunBlocked, run)) == ("rounds", [])
    assert [(lost.sha256, lost.fault) for lost in fleet.payloads(UpdateLost, run)] == [
        (accepted.admission.sha256, fault)
    ]
    # The site had the bytes still: nothing was trained twice, and nobody is missing.
    begun = [(p.work.started_at, p.admission.sha256) for p in fleet.payloads(UpdateAccepted, run)]
    assert (len(begun), len(set(begun))) == (7, 6)
    assert [len(closed.cohort) for closed in ended.closed] == [3, 3]
    (restored,) = fleet.payloads(UpdateRestored, run)
    assert restored.admission.sha256 == accepted.admission.sha256
    assert accepted.admission.sha256 in {line.sha256 for line in ended.closed[0].manifest}
    outcomes = Counter(b.outcome for b in fleet.state().book if b.run == run)
    assert outcomes == {"counted": 6}
    assert all(line.same for line in replay(fleet, run))


@pytest.mark.parametrize("fault", ["missing", "altered"])
def test_a_version_that_is_lost_blocks_its_run_alone_until_it_is_put_back(
    fleet: Fleet, fault: UpdateFault
) -> None:
    run, beside = f"version-{fault}", f"beside-version-{fault}"
    with held(fleet):
        begin(fleet, run, rounds=3)
        fleet.wait_event(UpdateAccepted, run)
        version = fleet.run(run).version
        assert version is not None
        blob = Blobs(fleet.home / "blobs").path(version)
        whole = blob.read_bytes()
        blob.unlink()
        if fault == "altered":
            blob.write_bytes(whole[:-1] + b"x")
    blocked = wait_blocked(fleet, run, "close")
    assert str(blob) in blocked.text
    assert "fairwind ledger replay --repair" in blocked.text
    begin(fleet, beside, workload="digits")
    assert fleet.wait_ended(beside).end_reason == "rounds"
    verified = fleet.local.fairwind("ledger", "verify")
    assert f"{version}" in refusal(verified)
    assert "can be made again" in refusal(fleet.local.fairwind("ledger", "replay", f"--run={run}"))
    repaired = fleet.local.fairwind("ledger", "replay", f"--run={run}", "--repair")
    assert repaired.returncode == 0, repaired.stderr
    assert f"put back: {version[:16]}" in repaired.stdout
    assert "  same\n" not in repaired.stdout  # what is as it was needs no line of its own
    assert blob.read_bytes() == whole
    ended = fleet.wait_ended(run)
    assert (ended.end_reason, len(ended.closed)) == ("rounds", 3)
    assert fleet.local.fairwind("ledger", "verify").returncode == 0
    replayed = fleet.local.fairwind("ledger", "replay", f"--run={run}", "--verbose")
    assert [line.endswith("  same") for line in replayed.stdout.splitlines()].count(True) == 3
    assert_accounted_for(fleet, run)


def replay(fleet: Fleet, run: str) -> list[Replayed]:
    workloads = tuple(fleet.local.env["FAIRWIND_WORKLOADS"].split(","))
    return list(replay_run(fleet.run(run), Settings(home=fleet.home, workloads=workloads)))


def test_while_a_slow_policy_chooses_the_ledger_is_free_and_the_plan_is_made_in_the_end(
    fleet: Fleet,
) -> None:
    """A second coordinator takes what another run's site answers meanwhile."""
    command = [*SECOND, "--loglevel", "INFO"]
    fleet.local.processes.start("second", command, env=fleet.local.env, cwd=fleet.local.folder)
    fleet.wait(lambda: " ready." in fleet.log("second"), "the second coordinator")
    waiting = fleet.local.folder / "held"
    waiting.touch()
    begin(fleet, "quick", rounds=5)
    for client in ("north", "south"):
        fleet.wait_event(UpdateAccepted, "quick", client=client)
    begin(fleet, "slow", policy="tests.integration.breakable:slow_policy", quorum=1)
    choosing: Path = fleet.local.folder / "choosing"
    fleet.wait(choosing.exists, "the policy to begin")
    waiting.unlink()
    begun = time.monotonic()
    with fleet.ledger.transaction() as tx:
        before = tx.state.seq
        tx.append(Draft(ClientEnrolled(zone="PL"), client="meanwhile"))
    assert choosing.exists()
    assert time.monotonic() - begun < SLOW_S / 2
    fleet.wait_event(RoundClosed, "quick")
    fleet.wait_event(RoundPlanned, "slow")
    kinds = [event.kind for event in fleet.ledger.events(after=before) if event.run]
    assert kinds.index("update.accepted") < kinds.index("round.planned")
    ended = fleet.wait_ended("slow")
    fleet.wait_ended("quick")
    fleet.local.processes.stop("second")
    assert ended.end_reason == "rounds"
    assert [len(planned.cohort) for planned in fleet.payloads(RoundPlanned, "slow")] == [1, 1]
    assert fleet.payloads(RunBlocked, "slow") == []
    assert_accounted_for(fleet, "slow")
    assert_accounted_for(fleet, "quick")


def test_a_workload_that_kills_the_coordinator_blocks_its_own_run_alone(fleet: Fleet) -> None:
    flag = fleet.local.folder / "metrics.broken"
    flag.write_text("deadly")
    begin(fleet, "deadly")
    begin(fleet, "beside-deadly", workload="digits", rounds=1)
    blocked = fleet.wait_event(RunBlocked, "deadly")
    assert "coordinator's process died 3 times while it evaluated the workload" in blocked.text
    fleet.wait_ended("beside-deadly")
    flag.unlink()
    fleet.wait_ended("deadly")
    assert_accounted_for(fleet, "deadly")
