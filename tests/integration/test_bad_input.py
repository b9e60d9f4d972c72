"""Bad workloads, bytes and messages in a running federation: nothing hangs, nothing is lost."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import UTC, datetime

import pytest
import safetensors.torch
import torch

from common.messages import BlobRef, Heartbeat, Receipt
from scheduler.ledger.events import (
    AssignmentFailed,
    AssignmentGivenUp,
    AssignmentReissued,
    UpdateAccepted,
    UpdateConflicting,
    UpdateLate,
    UpdateRefused,
)
from tasks.messaging.believed import claimed
from tasks.messaging.transport import RedisTransport
from tests.integration.fleet import SITE_WORKER, Failpoint, Fleet, assert_accounted_for, refusal

# --- a second worker --------------------------------------------------------------------------


def test_a_second_worker_of_a_client_is_refused(fleet):
    before = fleet.state().clients["north"].incarnation
    done = subprocess.run(
        [sys.executable, *SITE_WORKER], env=fleet.local.env, cwd=fleet.local.folder,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert refusal(done).startswith("Client north already has a worker (process ")
    assert fleet.state().clients["north"].incarnation == before


# --- workloads --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["no_such_module"], "There is no module 'no_such_module'"),
        (["breast_cancer"], "is not allowed here"),
        (["digit"], "Did you mean digits?"),
        (["digits", "--server-option=learning_rat=1"], "did you mean learning_rate?"),
        (["digits", "--policy=os:system"], "belongs to Python itself"),
        (["digits", "--metric=acuracy"], "reports accuracy, loss. Did you mean --metric accuracy?"),
        (["digits", "--metric", "-mae"], "reports no metric 'mae'"),
        (["digits", "--stop-when", "accuracy<=0.9"], "Did you mean --stop-when 'accuracy>=0.9'?"),
        (["digits", "--server-optimizer=no_such_module:step"], "The server optimizer 'no_such_m"),
        (["digits", "--option=width=64"], "no function with a parameter named options, so width"),
        (["odd_workloads:wordy"], "metrics returned a str for accuracy"),
    ],
)
def test_a_run_that_could_not_start_is_refused_and_leaves_nothing(words, says, fleet):
    before = fleet.state().seq, set(fleet.state().runs)
    text = refusal(fleet.local.fairwind("run", "start", *words, "--rounds", "1"))
    assert says in text
    assert "o run was started" in text
    assert [e.kind for e in fleet.ledger.events(after=before[0]) if e.run] == []
    assert set(fleet.state().runs) == before[1]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("model", "raised RuntimeError: this site is odd"),
        ("data", "raised FileNotFoundError: this site is odd"),
        ("loss", "raised ValueError: this site is odd"),
        ("another_model", "has shape [2, 4], not [3, 4], in weight"),
    ],
)
def test_a_site_whose_workload_fails_is_left_out_and_the_ledger_says_why(name, says, fleet):
    run = f"odd-{name}"
    fleet.start_run(run, f"odd_workloads:{name}", rounds=2)
    ended = fleet.wait_ended(run)
    assert ended.end_reason == "rounds"
    assert [closed.cohort for closed in ended.closed] == [("north", "west")] * 2
    # It backs off for ten seconds, in which the second round has begun or not.
    failures = [event.client for event in fleet.events("assignment.failed", run)]
    assert failures in (["odd"], ["odd"] * 2)
    assert ended.problems["odd"].count == len(failures)
    for failed in fleet.payloads(AssignmentFailed, run):
        assert failed.work.reason is not None
        assert failed.work.reason.code == "workload_failed"
        assert says in failed.work.reason.text
    assert_accounted_for(fleet, run)


def test_a_training_that_kills_its_process_fails_once_and_is_not_issued_again(fleet):
    fleet.start_run("odd-killed", "odd_workloads:killed", rounds=1)
    ended = fleet.wait_ended("odd-killed")
    assert ended.closed[0].cohort == ("north", "west")
    (failed,) = fleet.payloads(AssignmentFailed, "odd-killed")
    assert failed.work.reason is not None
    assert failed.work.reason.code == "worker_died"
    assert "died 3 times while it worked on this" in failed.work.reason.text
    assert fleet.payloads(AssignmentReissued, "odd-killed") == []
    assert_accounted_for(fleet, "odd-killed")


def test_a_training_whose_process_is_killed_once_counts(fleet):
    fleet.start_run("odd-killed-once", "odd_workloads:killed_once", rounds=1)
    ended = fleet.wait_ended("odd-killed-once")
    assert ended.closed[0].cohort == ("north", "odd", "west")
    assert fleet.payloads(AssignmentFailed, "odd-killed-once") == []
    assert fleet.payloads(AssignmentReissued, "odd-killed-once") == []
    assert_accounted_for(fleet, "odd-killed-once")


def test_an_update_of_nan_is_refused(fleet):
    fleet.start_run("odd-nan", "odd_workloads:nan", rounds=1)
    ended = fleet.wait_ended("odd-nan")
    refused = fleet.wait_event(UpdateRefused, "odd-nan", client="odd")
    assert "holds NaN or infinity" in refused.refusal.text
    assert ended.closed[0].cohort == ("north", "west")
    assert_accounted_for(fleet, "odd-nan")


# --- receipts ---------------------------------------------------------------------------------


def odds_heartbeat(fleet: Fleet) -> Heartbeat | None:
    return claimed(fleet.redis.get("fairwind:client:odd"))


@pytest.fixture
def go(fleet):
    """The file for which odd waits; gone, and odd idle again, when the test has ended."""
    file = fleet.local.folder / "go"
    yield file
    file.touch()
    fleet.wait(lambda: (beat := odds_heartbeat(fleet)) and not beat.busy, "odd")
    file.unlink()


@pytest.fixture
def odd_is_waiting(fleet, go, request):
    """A run whose only round waits for odd, until the test ends."""
    run = request.node.name.removeprefix("test_")
    fleet.start_run(run, "odd_workloads:waits", rounds=1)
    for client in ("north", "west"):
        fleet.wait_event(UpdateAccepted, run, client=client)
    yield run
    go.touch()
    fleet.wait_ended(run)
    assert_accounted_for(fleet, run)


def forge(fleet: Fleet, run: str, update: BlobRef, client: str = "odd") -> None:
    """Send a receipt in a client's name, as a manipulated or mistaken site could."""
    now = datetime.now(UTC)
    receipt = Receipt(
        run=run, round=1, client=client, attempt=0, outcome="trained", update=update,
        num_examples=64, started_at=now, ended_at=now, sent_at=now, incarnation="forged",
    )  # fmt: skip
    fleet.put("accept", "aggregation", fleet.signed(receipt))


def offer(fleet: Fleet, run: str, data: bytes) -> BlobRef:
    """Put bytes where odd would put its update."""
    path = fleet.local.folder / "offered"
    path.write_bytes(data)
    transport = RedisTransport(fleet.redis, 600, patience_s=0.0)
    return transport.put(f"update~odd~{run}~1", path, hashlib.sha256(data).hexdigest())


def test_wrong_shapes(fleet, odd_is_waiting):
    bad = safetensors.torch.save({"weight": torch.zeros(1, 4), "bias": torch.zeros(2)})
    forge(fleet, odd_is_waiting, offer(fleet, odd_is_waiting, bad))
    refused = fleet.wait_event(UpdateRefused, odd_is_waiting, client="odd")
    assert "has shape [1, 4], not [2, 4], in weight" in refused.refusal.text


def test_no_safetensors(fleet, odd_is_waiting):
    forge(fleet, odd_is_waiting, offer(fleet, odd_is_waiting, b"\x80\x04cos\nsystem\n."))
    refused = fleet.wait_event(UpdateRefused, odd_is_waiting, client="odd")
    assert "is not a whole safetensors file" in refused.refusal.text


def test_a_claim_of_many_bytes(fleet, odd_is_waiting):
    ref = BlobRef(key=f"update~odd~{odd_is_waiting}~1", sha256="0" * 64, nbytes=10**12)
    forge(fleet, odd_is_waiting, ref)
    refused = fleet.wait_event(UpdateRefused, odd_is_waiting, client="odd")
    text = refused.refusal.text
    assert "has 1000000000000 bytes where the model allows" in text
    assert "was not fetched" in text


def test_bytes_of_another(fleet, odd_is_waiting):
    theirs = BlobRef(key=f"update~north~{odd_is_waiting}~1", sha256="0" * 64, nbytes=100)
    forge(fleet, odd_is_waiting, theirs)
    refused = fleet.wait_event(UpdateRefused, odd_is_waiting, client="odd")
    assert "names no bytes of odd's own" in refused.refusal.text


def test_a_different_second_update(fleet, odd_is_waiting):
    ref = BlobRef(key=f"update~north~{odd_is_waiting}~1", sha256="1" * 64, nbytes=100)
    forge(fleet, odd_is_waiting, ref, client="north")
    fleet.wait_event(UpdateConflicting, odd_is_waiting, client="north")


@pytest.mark.parametrize("tamper", ["truncated", "altered", "gone"])
def test_bytes_that_are_damaged_in_flight_are_asked_for_again(tamper, fleet, tmp_path):
    run, failpoint = f"bytes-{tamper}", Failpoint("site.offered", tmp_path)
    fleet.kill_site("odd")
    fleet.start_site("odd", {"ODD": "1", **failpoint.env})
    fleet.start_run(run, rounds=2)
    fleet.wait(failpoint.reached, "the offer")
    key = f"fairwind:blob:update~odd~{run}~1"
    data = fleet.redis.hget(key, "0")
    assert data
    if tamper == "gone":
        fleet.redis.delete(key)
    else:
        damaged = data[:-1] if tamper == "truncated" else data[:-1] + b"\x7f"
        fleet.redis.hset(key, "0", damaged)
    failpoint.release()
    again = fleet.wait_event(AssignmentReissued, run, client="odd")
    assert again.code == "bytes_missing"
    ended = fleet.wait_ended(run)
    assert [closed.cohort for closed in ended.closed] == [("north", "odd", "west")] * 2
    assert_accounted_for(fleet, run)


def test_a_round_whose_deadline_passes_closes_with_its_quorum(fleet, go):
    fleet.start_run("deadline", "odd_workloads:waits", rounds=1, deadline=5)
    ended = fleet.wait_ended("deadline")
    assert ended.closed[0].cohort == ("north", "west")
    given_up = fleet.wait_event(AssignmentGivenUp, "deadline", client="odd")
    assert given_up.code == "deadline"
    go.touch()
    # What comes after all is recorded, with what it cost, and not counted.
    late = fleet.wait_event(UpdateLate, "deadline", client="odd")
    assert late.work.energy_wh
    assert fleet.run("deadline").uncounted_wh >= late.work.energy_wh
    assert_accounted_for(fleet, "deadline")
