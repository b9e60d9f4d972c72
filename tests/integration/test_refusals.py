"""What is started wrongly is refused with one clear line, and leaves nothing behind."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.local.federation import LocalFederation
from tasks.local.redis_server import RedisServer
from tests.integration.fleet import CELERY, CLI, COORDINATOR_WORKER, QUICK, SITE_WORKER, refusal

BEAT = (*CELERY, "beat")


class Host:
    """A machine of its own, with a home of its own, on which things are started wrongly."""

    def __init__(self, local: LocalFederation) -> None:
        self.folder, self.env = local.folder, local.env

    def run(self, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *args], env={**self.env, **env}, cwd=self.folder,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip


@pytest.fixture
def host(tmp_path: Path, redis_server: RedisServer) -> Iterator[Host]:
    zones = {"north": "NO-NO1"}
    with LocalFederation(
        tmp_path, zones, settings=QUICK, redis_url=redis_server.redis_url
    ) as local:
        yield Host(local)


@pytest.fixture
def deaf_url() -> Iterator[str]:
    """The address of a port that nobody listens to, nor can while the test runs."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"redis://127.0.0.1:{bound.getsockname()[1]}/0"


# --- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("program", [COORDINATOR_WORKER, SITE_WORKER, BEAT, (*CLI, "status")])
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
        (COORDINATOR_WORKER, "http://127.0.0.1/0"),
        (SITE_WORKER, "127.0.0.1:6379"),
        (BEAT, "http://127.0.0.1/0"),
        ((*CLI, "enroll", "a", "--zone=FR"), "redis://:6379:x/0"),
    ],
)
def test_an_address_that_is_not_one_of_redis_is_refused(program, url, host):
    text = refusal(host.run(*program, FAIRWIND_REDIS_URL=url))
    assert text.startswith("FAIRWIND_REDIS_URL is not a Redis address")
    assert text.endswith("Write it as redis://user:password@host:6379/0.")


@pytest.mark.parametrize("program", [COORDINATOR_WORKER, SITE_WORKER])
def test_a_worker_does_not_start_where_no_redis_answers(program, host, deaf_url):
    text = refusal(host.run(*program, FAIRWIND_REDIS_URL=deaf_url))
    assert "does not answer" in text
    assert text.endswith("Start it, or set FAIRWIND_REDIS_URL to where it runs.")


def test_the_command_line_works_on_without_redis_and_says_what_waits(host, deaf_url):
    away = {"FAIRWIND_REDIS_URL": deaf_url}
    assert host.run(*CLI, "enroll", "a", "--zone", "FR", **away).returncode == 0
    started = host.run(*CLI, "run", "start", "digits", "--rounds", "1", "--quorum", "1", **away)
    assert started.returncode == 0
    assert started.stderr == ""
    assert "\ndigits-1 waits in the ledger" in started.stdout
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


@pytest.mark.parametrize("options", [("-Q", "coordinator"), ("--client", "a")])
def test_a_worker_of_simulations_serves_no_other_queue(options, host):
    text = refusal(host.run("-m", "celery", "-A", "simulation", "worker", *options))
    assert text.endswith("was not started. Leave out -Q and --client.")


def test_a_malformed_client_id_is_refused(host):
    assert "is no client id" in refusal(host.run(*CELERY, "worker", "--client", "no/slash"))


# --- workers that could not work --------------------------------------------------------------


@pytest.mark.parametrize("program", [COORDINATOR_WORKER, SITE_WORKER])
@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_a_pool_in_which_no_task_could_run_is_refused(pool, program, host):
    text = refusal(host.run(*program, "--pool", pool))
    assert text.endswith("as only the pool prefork has. So it was not started. Leave out --pool.")


@pytest.mark.parametrize(
    "options",
    [("--concurrency", "2"), ("--autoscale", "3,1"), ("--exclude-queues", "client.north")],
)
def test_a_site_that_would_train_twice_at_once_or_never_is_refused(options, host):
    text = refusal(host.run(*SITE_WORKER, *options))
    assert text.endswith(f"So it was not started. Leave out {options[0]}.")


@pytest.mark.parametrize("program", [COORDINATOR_WORKER, SITE_WORKER])
def test_a_home_that_cannot_be_written_is_refused(program, host):
    home = host.folder / "no folder"
    home.write_text("a file, below which even root can keep nothing")
    text = refusal(host.run(*program, FAIRWIND_HOME=str(home)))
    assert text.startswith(f"Nothing can be kept in {home}")
    assert text.endswith("or set FAIRWIND_HOME to another folder.")


@pytest.mark.parametrize(
    ("program", "path"),
    [
        (COORDINATOR_WORKER, "blobs"), (COORDINATOR_WORKER, "runs"),
        (SITE_WORKER, "outbox"), (SITE_WORKER, "site"),
    ],
)  # fmt: skip
def test_a_part_of_the_home_that_cannot_be_written_is_refused(program, path, host):
    home = host.folder / "home"
    home.mkdir(exist_ok=True)
    (home / path).write_text("a file where a folder should be")
    text = refusal(host.run(*program, FAIRWIND_HOME=str(home)))
    assert text.startswith(f"Nothing can be kept in {home / path}")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"FAIRWIND_WORKLOADS": "no_such_module"}, "There is no module 'no_such_module'"),
        ({"FAIRWIND_PARTITION": "south"}, "The client 'north' has no share of the workload digits"),
        # 99 is beyond what any machine has, with or without a GPU
        ({"FAIRWIND_DEVICE": "cuda:99"}, "FAIRWIND_DEVICE is cuda:99, but "),
    ],
)
def test_a_site_that_can_train_nothing_ends(settings, says, host):
    text = refusal(host.run(*SITE_WORKER, **settings))
    assert text.startswith(f"The worker of north cannot train, so it ends. {says}")


def test_a_site_readies_its_environment_before_anything_uses_a_gpu(host):
    (host.folder / "told.py").write_text(
        "import os, torch\n"
        "names = 'CUBLAS_WORKSPACE_CONFIG', 'PYTORCH_NVML_BASED_CUDA_CHECK'\n"
        "raise ValueError(*map(os.environ.get, names), torch.cuda.is_initialized())\n"
    )
    text = refusal(host.run(*SITE_WORKER, FAIRWIND_WORKLOADS="told", FAIRWIND_DEVICE="cpu"))
    assert "ValueError (:4096:8, 1, False)" in text or "(':4096:8', '1', False)" in text


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


@pytest.mark.parametrize("program", [COORDINATOR_WORKER, (*CLI, "enroll", "a", "--zone", "FR")])
@pytest.mark.parametrize("write", [_missing, _folder, _not_text, _other_columns, _no_numbers])
def test_a_trace_that_cannot_be_used_is_refused(write, program, host):
    trace = host.folder / "trace.csv"
    write(trace)
    env = {"FAIRWIND_SIGNAL": "trace", "FAIRWIND_TRACE_PATH": str(trace)}
    assert "trace.csv" in refusal(host.run(*program, **env))


# --- the ledger -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "program", [COORDINATOR_WORKER, (*CLI, "status"), (*CLI, "enroll", "b", "--zone=FR")]
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
    (host.folder / "home").mkdir(exist_ok=True)
    (host.folder / "home" / "ledger.sqlite").write_text("my diary, dear reader, begins " * 99)
    assert "cannot be read" in refusal(host.run(*CLI, "status"))
