"""Whatever is wrong, one clear line says so at the right place; nothing hangs, nothing is lost."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import safetensors.torch
import torch

from common.messages import BlobRef, Receipt
from scheduler.ledger.events import (
    AssignmentFailed,
    AssignmentGivenUp,
    AssignmentReissued,
    UpdateAccepted,
    UpdateConflicting,
    UpdateLate,
    UpdateRefused,
)
from tasks.local.redis_server import _free_port
from tests.integration.fleet import Failpoint, Fleet, assert_accounted_for

CLI = ("-m", "tasks.cli")
CELERY = ("-m", "celery", "-A", "tasks")
COORDINATOR = (*CELERY, "worker", "-Q", "coordinator,aggregation")
SITE = (*CELERY, "worker", "-Q", "client.north")
BEAT = (*CELERY, "beat")

BEGIN_OF_A_REFUSAL = ("fairwind: ", "Error: ")


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line by which a process has refused its work."""
    assert done.returncode in (1, 2), done
    assert "Traceback" not in done.stderr, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith(BEGIN_OF_A_REFUSAL)]
    assert len(lines) == 1, done.stderr
    return lines[0].partition(": ")[2]


class Host:
    """A machine of its own, with a home of its own, on which things are started wrongly."""

    def __init__(self, folder: Path, redis_url: str, env: dict[str, str]) -> None:
        self.folder = folder
        self.env = {**env, "FAIRWIND_HOME": str(folder / "home"), "FAIRWIND_REDIS_URL": redis_url}

    def run(self, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *args], env={**self.env, **env}, cwd=self.folder,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip


@pytest.fixture
def host(tmp_path: Path, fleet: Fleet) -> Host:
    return Host(tmp_path, fleet.local.redis_url, fleet.local.env)


# --- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("program", [COORDINATOR, SITE, BEAT, (*CLI, "status")])
def test_a_misspelt_setting_is_refused_and_the_right_name_offered(program, host):
    text = refusal(host.run(*program, FAIRWIND_TRESHOLD_GCO2EQ_PER_KWH="100"))
    assert text == (
        "There is no setting FAIRWIND_TRESHOLD_GCO2EQ_PER_KWH, so it would have no effect. "
        "Did you mean FAIRWIND_THRESHOLD_GCO2EQ_PER_KWH?"
    )


def test_a_setting_that_does_not_fit_is_refused(host):
    text = refusal(host.run(*CLI, "status", FAIRWIND_TICK_S="soon"))
    assert text.startswith("FAIRWIND_TICK_S='soon' does not fit")


@pytest.mark.parametrize(
    ("program", "url"),
    [
        (COORDINATOR, "http://127.0.0.1/0"),
        (SITE, "127.0.0.1:6379"),
        (BEAT, "http://127.0.0.1/0"),
        ((*CLI, "enroll", "a", "--zone=FR"), "redis://:6379:x/0"),
    ],
)
def test_an_address_that_is_not_one_of_redis_is_refused(program, url, host):
    text = refusal(host.run(*program, FAIRWIND_REDIS_URL=url))
    assert text.startswith("FAIRWIND_REDIS_URL is not a Redis address")
    assert text.endswith("Write it as redis://user:password@host:6379/0.")


@pytest.mark.parametrize("program", [COORDINATOR, SITE])
def test_a_worker_does_not_start_where_no_redis_answers(program, host):
    url = f"redis://127.0.0.1:{_free_port()}/0"
    text = refusal(host.run(*program, FAIRWIND_REDIS_URL=url))
    assert "does not answer" in text
    assert text.endswith("Start it, or set FAIRWIND_REDIS_URL to where it runs.")


def test_the_command_line_works_on_without_redis_and_says_what_waits(host):
    away = {"FAIRWIND_REDIS_URL": f"redis://127.0.0.1:{_free_port()}/0"}
    assert host.run(*CLI, "enroll", "a", "--zone", "FR", **away).returncode == 0
    started = host.run(*CLI, "run", "start", "digits", "--rounds", "1", **away)
    assert started.returncode == 0
    assert started.stderr == ""
    assert started.stdout.startswith("digits-1 waits in the ledger")
    stopped = host.run(*CLI, "run", "stop", "digits-1", **away)
    assert stopped.stdout.endswith("No coordinator can be reached; it ends when one starts.\n")
    checked = host.run(*CLI, "check", **away)
    assert checked.returncode == 1
    assert "does not answer" in checked.stdout
    assert "Traceback" not in checked.stderr


@pytest.mark.parametrize(
    "queues", [(), ("-Q", "celery"), ("-Q", "client.a,client.b"), ("-Q", "coordinator,client.a")]
)
def test_a_worker_without_a_role_is_refused(queues, host):
    text = refusal(host.run(*CELERY, "worker", *queues))
    assert text.endswith("so it was not started. Name its queue.")


def test_a_malformed_client_id_is_refused(host):
    assert "is no client id" in refusal(host.run(*CELERY, "worker", "--client", "no/slash"))


# --- zones and traces -------------------------------------------------------------------------


def test_an_unknown_zone_is_refused_at_enrolment(host):
    text = refusal(host.run(*CLI, "enroll", "a", "--zone", "FRR", FAIRWIND_SIGNAL="typical_day"))
    assert "FRR" in text
    assert not (host.folder / "home" / "ledger.sqlite").exists()


def _folder(path: Path) -> None:
    path.mkdir()


def _not_text(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


def _other_columns(path: Path) -> None:
    path.write_text("when,where,what\n1,2,3\n")


def _no_numbers(path: Path) -> None:
    path.write_text("datetime,zone,gco2eq_per_kwh\n2026-01-01T00:00Z,FR,green\n")


def _missing(path: Path) -> None:
    pass


@pytest.mark.parametrize("program", [COORDINATOR, (*CLI, "enroll", "a", "--zone", "FR")])
@pytest.mark.parametrize("write", [_missing, _folder, _not_text, _other_columns, _no_numbers])
def test_a_trace_that_cannot_be_used_is_refused(write, program, host):
    trace = host.folder / "trace.csv"
    write(trace)
    env = {"FAIRWIND_SIGNAL": "trace", "FAIRWIND_TRACE_PATH": str(trace)}
    assert "trace.csv" in refusal(host.run(*program, **env))


# --- the ledger -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "program", [COORDINATOR, (*CLI, "status"), (*CLI, "enroll", "b", "--zone=FR")]
)
def test_a_ledger_of_a_newer_fairwind_is_left_alone(program, host):
    assert host.run(*CLI, "enroll", "a", "--zone", "FR").returncode == 0
    ledger = host.folder / "home" / "ledger.sqlite"
    with sqlite3.connect(ledger) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    connection.close()
    text = refusal(host.run(*program))
    assert "has schema version 99, newer than this Fairwind's" in text
    assert "Nothing was read or changed." in text


def test_a_ledger_that_is_none_is_left_alone(host):
    (host.folder / "home").mkdir()
    (host.folder / "home" / "ledger.sqlite").write_text("my diary, dear reader, begins " * 99)
    assert "cannot be read" in refusal(host.run(*CLI, "status"))


# --- a second worker --------------------------------------------------------------------------


def test_a_second_worker_of_a_client_is_refused(fleet):
    before = fleet.state().clients["north"].incarnation
    done = subprocess.run(
        [sys.executable, *SITE], env=fleet.local.env, cwd=fleet.local.folder,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert refusal(done).startswith("Client north already has a worker (process ")
    assert fleet.state().clients["north"].incarnation == before


# --- workloads --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("workload", "says"),
    [
        ("no_such_module", "There is no module 'no_such_module'"),
        ("breast_cancer", "is not allowed here"),
    ],
)
def test_a_workload_that_cannot_be_loaded_is_told_where_the_run_is_started(workload, says, fleet):
    done = fleet.local.fairwind(
        "run", "start", workload, "--rounds", "1", "--id", f"bad-{workload}"
    )
    assert says in refusal(done)
    assert fleet.run(f"bad-{workload}").end_reason == "failed"


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
    assert [event.client for event in fleet.events("assignment.failed", run)] == ["odd"] * 2
    for failed in fleet.payloads(AssignmentFailed, run):
        assert failed.work.reason is not None
        assert failed.work.reason.code == "workload_failed"
        assert says in failed.work.reason.text
    assert_accounted_for(fleet, run)


def test_an_update_of_nan_is_refused(fleet):
    fleet.start_run("odd-nan", "odd_workloads:nan", rounds=1)
    ended = fleet.wait_ended("odd-nan")
    refused = fleet.wait_event(UpdateRefused, "odd-nan", client="odd")
    assert "holds NaN or infinity" in refused.refusal.text
    assert ended.closed[0].cohort == ("north", "west")
    assert_accounted_for(fleet, "odd-nan")


# --- receipts ---------------------------------------------------------------------------------


@pytest.fixture
def go(fleet):
    """The file for which odd waits; gone, and odd idle again, when the test has ended."""
    file = fleet.local.folder / "go"
    yield file
    file.touch()
    fleet.wait(lambda: b'"busy":null' in (fleet.redis.get("fairwind:client:odd") or b""), "odd")
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
    code = (
        "import sys; from common.messages import Receipt; "
        "from tasks.messaging.queues import queue, send; "
        "send('accept', queue('aggregation'), Receipt.model_validate_json(sys.stdin.read()))"
    )
    subprocess.run(
        [sys.executable, "-c", code], input=receipt.model_dump_json(), text=True, check=True,
        env=fleet.local.env, cwd=fleet.local.folder, timeout=60,
    )  # fmt: skip


def offer(fleet: Fleet, run: str, data: bytes) -> BlobRef:
    """Put bytes where odd would put its update."""
    key = f"update.odd.{run}.1"
    fleet.redis.set(f"fairwind:blob:{key}:0", data)
    return BlobRef(key=key, sha256=hashlib.sha256(data).hexdigest(), nbytes=len(data))


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
    ref = BlobRef(key=f"update.odd.{odd_is_waiting}.1", sha256="0" * 64, nbytes=10**12)
    forge(fleet, odd_is_waiting, ref)
    refused = fleet.wait_event(UpdateRefused, odd_is_waiting, client="odd")
    text = refused.refusal.text
    assert "has 1000000000000 bytes where the model allows" in text
    assert "was not fetched" in text


def test_bytes_of_another(fleet, odd_is_waiting):
    theirs = BlobRef(key=f"update.north.{odd_is_waiting}.1", sha256="0" * 64, nbytes=100)
    forge(fleet, odd_is_waiting, theirs)
    refused = fleet.wait_event(UpdateRefused, odd_is_waiting, client="odd")
    assert "names no bytes of odd's own" in refused.refusal.text


def test_a_different_second_update(fleet, odd_is_waiting):
    ref = BlobRef(key=f"update.north.{odd_is_waiting}.1", sha256="1" * 64, nbytes=100)
    forge(fleet, odd_is_waiting, ref, client="north")
    fleet.wait_event(UpdateConflicting, odd_is_waiting, client="north")


@pytest.mark.parametrize("tamper", ["truncated", "altered", "gone"])
def test_bytes_that_are_damaged_in_flight_are_asked_for_again(tamper, fleet, tmp_path):
    run, failpoint = f"bytes-{tamper}", Failpoint("site.offered", tmp_path)
    fleet.kill_site("odd")
    fleet.start_site("odd", {"ODD": "1", **failpoint.env})
    fleet.start_run(run, rounds=2)
    fleet.wait(failpoint.reached, "the offer")
    key = f"fairwind:blob:update.odd.{run}.1:0"
    data = fleet.redis.get(key)
    assert data
    if tamper == "gone":
        fleet.redis.delete(key)
    else:
        fleet.redis.set(key, data[:-1] if tamper == "truncated" else data[:-1] + b"\x7f")
    failpoint.release()
    again = fleet.wait_event(AssignmentReissued, run, client="odd")
    assert again.code == "bytes_missing"
    ended = fleet.wait_ended(run)
    assert [closed.cohort for closed in ended.closed] == [("north", "odd", "west")] * 2
    assert_accounted_for(fleet, run)


def test_a_round_whose_deadline_passes_closes_with_its_quorum(fleet, go):
    fleet.start_run("deadline", "odd_workloads:waits", rounds=1, deadline=3)
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


# --- garbage ----------------------------------------------------------------------------------


def envelope(task: str, body: object, content_type: str = "application/json") -> str:
    """Return a message as Kombu writes it to a list."""
    return json.dumps(
        {
            "body": body if isinstance(body, str) else json.dumps(body),
            "content-encoding": "utf-8",
            "content-type": content_type,
            "headers": {"lang": "py", "task": task, "id": "1", "root_id": "1", "retries": 0},
            "properties": {
                "correlation_id": "1", "delivery_mode": 2, "priority": 0, "delivery_tag": "1",
                "delivery_info": {"exchange": "", "routing_key": "aggregation"},
            },
        }
    )  # fmt: skip


GARBAGE = {
    "bytes": b"\xff\x00 garbage",
    "text": "no JSON",
    "list": "[]",
    "object": "{}",
    "no-such-task": envelope("launch", [[], {}, {}]),
    "no-receipt": envelope("accept", [[{"run": "x"}], {}, {}]),
    "no-arguments": envelope("accept", [[], {}, {}]),
    "pickle": envelope("accept", "gASVAAAA", "application/x-python-serialize"),
    "body": envelope("accept", "{"),
}


def test_garbage_on_the_queues_stops_nobody(fleet):
    for queue in ("aggregation", "coordinator", "client.north"):
        for garbage in GARBAGE.values():
            fleet.redis.lpush(queue, garbage)
    fleet.start_run("after-garbage", rounds=1)
    ended = fleet.wait_ended("after-garbage")
    assert ended.closed[0].cohort == ("north", "odd", "west")
    assert fleet.log("coordinator").count("message.dropped") >= 4
    fleet.local.processes.check()
