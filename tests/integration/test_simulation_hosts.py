"""Simulations on Celery workers: the same outcomes, whatever dies, and nothing is left in Redis."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from common import settings
from common.errors import FederationError
from common.identity import Identity
from simulation.hosts.conductor import Conductor, conductor
from simulation.hosts.identity import host_identity
from simulation.hosts.message import (
    TASK,
    SimulationAnswer,
    SimulationRequest,
    WorkerSign,
    answers_key,
    conductor_key,
    outcome_key,
    worker_key,
)
from simulation.many import scenario_key, simulate_all
from simulation.scenario.scenario import Scenario
from tasks.local.processes import Processes
from tasks.messaging.queues import batch, send
from tasks.messaging.transport import make_transport
from tests.unit.simulation.worlds import group, trace, world

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120.0
pytestmark = pytest.mark.long

QUICK = {"FAIRWIND_HEARTBEAT_S": "0.3", "FAIRWIND_SILENT_AFTER_S": "2"}

SLOW: dict[str, Any] = {"policy": "all", "rounds": 200}
"""Two seconds of rounds without learning."""


class Hosts:
    """Machines with workers, each a folder with settings and data of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.processes = Processes(folder / "logs")
        self._url = url

    def start(self, name: str, *, root: Path = ROOT, **more: str) -> None:
        """Start a worker with two processes."""
        home = self.folder / name
        home.mkdir(exist_ok=True)
        env = {
            **{key: value for key, value in os.environ.items() if "FAIRWIND" not in key}, **QUICK,
            "FAIRWIND_CONFIG": os.devnull, "FAIRWIND_REDIS_URL": self._url,
            "FAIRWIND_HOME": str(home), "FAIRWIND_DATA": str(self.data(name)),
            "PYTHONPATH": str(root), **more,
        }  # fmt: skip
        command = [sys.executable, "-m", "celery", "-A", "simulation", "worker", "-c", "2"]
        self.processes.start(name, command, env=env, cwd=root)

    def data(self, name: str) -> Path:
        folder = self.folder / name / "data"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def kill(self, name: str) -> None:
        """Kill a worker and its children, as a machine that loses its power does."""
        process = psutil.Process(self.processes.pid(name))
        for each in [process, *process.children(recursive=True)]:
            each.send_signal(signal.SIGKILL)


@pytest.fixture
def hosts(
    redis_client: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hosts]:
    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FAIRWIND_DATA", str(tmp_path / "study" / "data"))
    settings.load.cache_clear()
    hosts = Hosts(tmp_path, settings.load().redis_url)
    with hosts.processes:
        yield hosts


@pytest.fixture
def said() -> list[str]:
    return []


def learning(**changes: Any) -> Scenario:
    more = {
        "workload": {"name": "digits", "split": {"kind": "iid"}},
        "clients": [group(count=4, num_examples=None, zone=["FR", "DE"], speed_jitter=0.3)],
        "signal": {"kind": "typical_day"},
        "gate": "off",
    }
    return world(**(more | changes))


def until(true: Callable[[], object]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.05)


class Background(threading.Thread):
    """A study that goes on while the test does something to its workers."""

    def __init__(self, scenarios: list[Scenario], runner: Conductor, cache: Path) -> None:
        super().__init__(daemon=True)
        self._work = (scenarios, runner, cache)
        self.outcomes: list[Any] = []

    def run(self) -> None:
        scenarios, runner, cache = self._work
        self.outcomes = simulate_all(scenarios, runner=runner, cache=cache)


def left(client: redis.Redis) -> set[bytes]:
    """Return the keys of studies and queues; workers have their signs as long as they run."""
    keys = set(client.scan_iter("*simulations*")) | set(client.scan_iter("*blob*"))
    return {key for key in keys if b":worker:" not in key}


def test_outcomes_are_those_of_this_process_to_the_bit_and_are_kept(
    hosts, said, redis_client, tmp_path
):
    hosts.start("one")
    hosts.start("two")
    scenarios = [learning(seed=seed) for seed in (1, 2, 3)] + [world(seed=1)]
    scenarios.append(world(seed=1, description="the same once more"))
    found = simulate_all(scenarios, runner=conductor(said.append), cache=tmp_path / "kept")
    assert found == simulate_all(scenarios)
    assert any("at once" in line for line in said)
    assert left(redis_client) == set()
    hosts.processes.stop_all()
    assert simulate_all(scenarios, runner=conductor(said.append), cache=tmp_path / "kept") == found


def test_a_killed_worker_and_an_emptied_redis_lose_nothing(hosts, said, redis_client, tmp_path):
    hosts.start("one")
    scenarios = [world(seed=seed, run=SLOW) for seed in range(5)]
    study = Background(scenarios, conductor(said.append), tmp_path / "kept")
    study.start()
    until(lambda: list(redis_client.scan_iter("fairwind:simulations:lease:*")))
    hosts.start("two")
    hosts.kill("one")
    until(lambda: list((tmp_path / "kept").glob("*.json")))
    redis_client.flushall()
    study.join(PATIENCE_S)
    assert len(list((tmp_path / "kept").glob("*.json"))) == 5
    assert study.outcomes == simulate_all(scenarios)
    assert left(redis_client) == set()


def test_two_studies_at_once_end_alike_though_redis_is_emptied_again_and_again(
    hosts, said, redis_client, tmp_path
):
    scenarios = [world(seed=seed) for seed in range(6)]
    studies = [
        Background(scenarios, conductor(said.append), tmp_path / name) for name in ("a", "b")
    ]
    for study in studies:
        study.start()
    hosts.start("one")
    for count in range(1, 4):
        until(lambda: len(list(tmp_path.glob("[ab]/*.json"))) >= count)  # noqa: B023 - at once
        redis_client.flushall()
    for study in studies:
        study.join(PATIENCE_S)
    assert studies[0].outcomes == studies[1].outcomes == simulate_all(scenarios)


def test_ctrl_c_leaves_no_message_behind(hosts, said, redis_client):
    def interrupt() -> None:
        until(lambda: list(redis_client.scan_iter("simulations.*")))
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        simulate_all([world(seed=seed) for seed in range(3)], runner=conductor(said.append))
    assert said[0].startswith("No worker takes simulations of this study, so it waits.")
    assert left(redis_client) == set()


def test_a_worker_with_other_code_takes_nothing_and_the_study_says_so(
    hosts, said, redis_client, tmp_path
):
    other = tmp_path / "other"
    for room in ("common", "scheduler", "models", "tasks", "simulation"):
        shutil.copytree(ROOT / room, other / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "celeryconfig.py", other)
    with (other / "scheduler" / "__init__.py").open("a") as file:
        file.write("\n# another version\n")
    hosts.start("other", root=other)
    until(lambda: list(redis_client.scan_iter("fairwind:simulations:worker:*")))
    study = Background([world()], conductor(said.append), tmp_path / "kept")
    study.start()
    until(lambda: any("its code is another" in line for line in said))
    assert any(line.startswith("No worker takes simulations of this study") for line in said)
    hosts.start("one")
    study.join(PATIENCE_S)
    assert study.outcomes == [world_outcome()]
    assert "simulation.finished" not in hosts.processes.log("other")


def test_a_file_that_differs_or_is_missing_is_named_and_another_worker_simulates(
    hosts, said, redis_client
):
    scenario = traced(hosts.data("study"))
    hosts.start("missing")
    trace(hosts.data("differs"), {"FR": [101.0] * 400})
    hosts.start("differs")
    until(lambda: len(list(redis_client.scan_iter("fairwind:simulations:worker:*"))) == 2)
    with pytest.raises(FederationError, match=r"signal\.path of world is not the same|no file"):
        simulate_all([scenario], runner=conductor(said.append))
    assert any("There is no file" in line for line in said)
    assert any("signal.path of world is not the same here" in line for line in said)
    trace(hosts.data("complete"), {"FR": [100.0] * 400})
    hosts.start("complete")
    until(lambda: "ready" in hosts.processes.log("complete"))
    assert simulate_all([scenario], runner=conductor(said.append)) == simulate_all([scenario])


def test_an_unsigned_simulation_is_not_taken_by_a_worker_that_believes_a_key(
    hosts, said, redis_client, tmp_path
):
    key = "ed25519:" + "A" * 43
    hosts.start("one", FAIRWIND_COORDINATOR_KEY=key)
    until(lambda: list(redis_client.scan_iter("fairwind:simulations:worker:*")))
    study = Background([world()], conductor(said.append), tmp_path / "kept")
    study.start()
    until(lambda: any("it believes another key" in line for line in said))
    hosts.start("two")
    study.join(PATIENCE_S)
    assert len(study.outcomes) == 1


def test_a_simulation_that_nobody_signed_is_refused_by_a_worker_that_believes_a_key(
    hosts, said, redis_client, tmp_path, monkeypatch
):
    key = Identity.make()
    (tmp_path / "home" / "keys").mkdir(parents=True)
    key.save(tmp_path / "home" / "keys" / "coordinator.pem")
    hosts.start("one", FAIRWIND_COORDINATOR_KEY=key.public.text)
    assert len(simulate_all([world()], runner=conductor(said.append))) == 1
    to = host_identity(key.public.text).queue
    redis_client.set(conductor_key("0" * 32), "")
    request = SimulationRequest(
        conductor="0" * 32, key="0" * 64, scenario=world().model_dump(mode="json"), inputs={}
    )
    redis_client.lpush(to.name, b"no message")
    with batch(settings.load().redis_url) as through:
        send(TASK, to, request, through=through)
    until(lambda: "it is not signed" in hosts.processes.log("one"))
    until(lambda: redis_client.llen(to.name) == 0)
    assert not redis_client.exists(answers_key("0" * 32))
    assert len(simulate_all([world(seed=1)], runner=conductor(said.append))) == 1


@pytest.mark.parametrize("raw", [b"[]", b"[" * 100_000, b"\xff", b"{}"])
def test_an_outcome_that_cannot_be_read_ends_the_study_with_the_workers_name(
    hosts, said, redis_client, tmp_path, raw
):
    identity = host_identity(None)
    sign = WorkerSign(
        worker="odd:1", host="odd", processes=1, code=identity.code, libraries=identity.libraries
    )
    redis_client.set(worker_key(sign.worker), sign.model_dump_json())

    def answer() -> None:
        until(lambda: list(redis_client.scan_iter(conductor_key("*"))))
        name = next(redis_client.scan_iter(conductor_key("*"))).decode()
        conductor_id, key = name.rpartition(":")[2], scenario_key(world())
        (tmp_path / "outcome").write_bytes(raw)
        sha256 = hashlib.sha256(raw).hexdigest()
        ref = make_transport(settings.load()).put(
            outcome_key(conductor_id, key, sha256), tmp_path / "outcome", sha256
        )
        done = SimulationAnswer(key=key, worker="odd:1", result="done", outcome=ref)
        redis_client.rpush(answers_key(conductor_id), done.model_dump_json())

    threading.Thread(target=answer, daemon=True).start()
    with pytest.raises(FederationError, match="Its outcome cannot be read"):
        simulate_all([world()], runner=conductor(said.append))
    assert any(line.startswith("The worker odd:1 could not simulate") for line in said)
    assert left(redis_client) == set()


def traced(folder: Path) -> Scenario:
    return world(signal={"kind": "trace", "path": trace(folder, {"FR": [100.0] * 400})})


def world_outcome() -> Any:
    return simulate_all([world()])[0]
