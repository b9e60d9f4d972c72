"""A running federation as the tests drive it: its ledger at hand, its processes killed at will."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import psutil
import redis
from celery import Celery
from kombu import Exchange, Queue

from common.clock import GridClock, wall_now
from common.envelope import COORDINATOR as COORDINATOR_NAME
from common.envelope import About, Signer
from common.identity import Identity
from common.messages import Receipt
from common.settings import Settings
from scheduler.federation.federation import Federation, Run
from scheduler.federation.opening import open_ledger
from scheduler.ledger.event import Draft, Event
from scheduler.ledger.events import ClientEnrolled, Payload, RoundClosed, RunStarted
from scheduler.ledger.run_spec import RunSpec
from tasks.coordinator.envelopes import plan_hash
from tasks.coordinator.replay import replay_run
from tasks.local.federation import COORDINATOR, LocalFederation, site_name
from tasks.roles import coordinator_key_file, site_key_file

PATIENCE_S = 120.0
"""How long a test waits for anything: only a broken federation ever takes so long."""

QUICK = {
    "FAIRWIND_TICK_S": "0.5",
    "FAIRWIND_HEARTBEAT_S": "0.3",
    "FAIRWIND_SILENT_AFTER_S": "3",
    "FAIRWIND_SIGNAL": "static",
    "FAIRWIND_DEVICE": "cpu",  # whose bits tests compare
}

CLI = ("-m", "tasks.cli")
CELERY = ("-m", "celery", "-A", "tasks")
COORDINATOR_WORKER = (*CELERY, "worker", "-Q", "coordinator,aggregation")
SITE_WORKER = (*CELERY, "worker", "-Q", "client.north")

Env = Mapping[str, str]

P = TypeVar("P", bound=Payload)


class Failpoint:
    """A place at which one process stops. See `common.failpoints`."""

    def __init__(self, name: str, folder: Path) -> None:
        self._marker = folder / f"at.{name}"
        self.env = {"FAIRWIND_FAILPOINT": f"{name}={self._marker}"}

    def reached(self) -> bool:
        return self._marker.exists()

    def release(self) -> None:
        self._marker.with_name(f"{self._marker.name}.go").touch()


class Fleet:
    """A federation that runs, and what a test asks of it."""

    def __init__(self, local: LocalFederation) -> None:
        self.local = local
        self.home = local.folder / "home"
        self.clock = _clock(local.env)
        self.ledger = open_ledger(f"sqlite:///{self.home / 'ledger.sqlite'}", self.clock)
        self.redis = redis.Redis.from_url(local.redis_url)

    def close(self) -> None:
        self.ledger.close()
        self.redis.close()

    def state(self) -> Federation:
        return self.ledger.state()

    def run(self, run: str) -> Run:
        return self.state().runs[run]

    def log(self, name: str) -> str:
        return self.local.processes.log(name)

    def events(self, kind: str, run: str | None = None) -> list[Event]:
        return [event for event in self.ledger.events(run=run) if event.kind == kind]

    def payloads(self, made: type[P], run: str | None = None) -> list[P]:
        """Return what events of one kind say."""
        payloads = (event.payload for event in self.ledger.events(run=run))
        return [payload for payload in payloads if isinstance(payload, made)]

    def enroll(self, client: str, zone: str) -> None:
        """Enrol a client without the seconds that a command takes."""
        enrolled = ClientEnrolled(
            zone=zone, key=self.local.site_key(client),
            redis_password_sha256=self.local.site_password_sha256(client),
        )  # fmt: skip
        with self.ledger.transaction() as tx:
            tx.append(Draft(enrolled, client=client))

    def start_run(self, run: str, workload: str = "digits", **options: object) -> None:
        given = {"policy": "all", "id": run, **options}
        words = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
        done = self.local.fairwind("run", "start", workload, *words)
        assert done.returncode == 0, done.stderr

    def begin_run(self, spec: RunSpec) -> None:
        """Start a run without the seconds that a command takes."""
        with self.ledger.transaction() as tx:
            tx.append(Draft(RunStarted(spec=spec), run=spec.id))

    def wait(self, predicate: Callable[[], object], what: str) -> None:
        self.local.wait_for(predicate, PATIENCE_S, what)

    def wait_event(self, made: type[P], run: str, **fields: object) -> P:
        """Wait for an event of one kind, and return what it says."""

        def found() -> P | None:
            for event in self.ledger.events(run=run):
                alike = all(getattr(event, name) == value for name, value in fields.items())
                if alike and isinstance(event.payload, made):
                    return event.payload
            return None

        return self.local.wait_for(found, PATIENCE_S, f"{made.kind} in {run} with {fields}")

    def wait_alive(self, *clients: str) -> None:
        self.wait(
            lambda: all(self.state().clients[client].alive for client in clients),
            f"{', '.join(clients)} to be alive",
        )

    def wait_ended(self, run: str) -> Run:
        self.wait(lambda: self.run(run).ended_at, f"the end of {run}")
        return self.run(run)

    def children(self, name: str) -> list[psutil.Process]:
        """Return the children of a process: of a worker, those of its pool."""
        return psutil.Process(self.local.processes.pid(name)).children()

    def signer(self, client: str) -> Signer:
        """Return who signs for a client: its site's own key."""
        path = site_key_file(self.local.folder / "sites" / client, client)
        return Signer(f"client.{client}", Identity.load(path))

    def coordinator_signer(self) -> Signer:
        return Signer(COORDINATOR_NAME, Identity.load(coordinator_key_file(self.home)))

    def signed(self, receipt: Receipt, *, by: Signer | None = None, **about: Any) -> Any:
        """Return a receipt as its site would send it now, but for what is given."""
        run = self.run(receipt.run)
        round_ = run.open_round or run.closed[-1]
        known = About(
            run=receipt.run, round=receipt.round, attempt=receipt.attempt,
            plan_hash=plan_hash(run.spec), model_hash=round_.base_version,
        )  # fmt: skip
        signer = by or self.signer(receipt.client)
        sealed = signer.seal(
            "accept", COORDINATOR_NAME, receipt, about=replace(known, **about), now=wall_now()
        )
        return sealed.model_dump(mode="json")

    def put(self, task: str, to: str, body: object, **options: Any) -> None:
        """Put a message on a queue, as whoever reaches Redis can."""
        with Celery("stranger", broker=self.local.redis_url, set_as_current=False) as stranger:
            queue = Queue(to, Exchange(""), routing_key=to)
            stranger.send_task(task, args=(body,), queue=queue, **options)  # type: ignore[arg-type] # a Queue is taken, too

    def kill_site(self, client: str) -> None:
        self.local.processes.kill(site_name(client))

    def start_site(self, client: str, env: Env | None = None) -> None:
        """Start a client's worker and return when the coordinator has met it."""
        before = self.state().clients[client].incarnation
        self.local.start_site(client, **(env or {}))
        self.wait(
            lambda: self.state().clients[client].incarnation != before, f"a new worker of {client}"
        )

    def start_by_name(self, client: str) -> None:
        """Start a client's worker by the option ``--client``."""
        self.local._start_celery(
            site_name(client), "worker", "--client", client,
            env=self.local.site_settings(client),
        )  # fmt: skip

    def kill_coordinator(self) -> None:
        self.local.processes.kill(COORDINATOR)

    def restart(self, name: str, env: Env | None = None) -> None:
        """Kill the coordinator, or the worker of a client, and start it again."""
        if name == COORDINATOR:
            self.kill_coordinator()
            self.local.start_coordinator(**(env or {}))
        else:
            self.kill_site(name)
            self.start_site(name, env)


def _clock(env: Env) -> GridClock:
    """Return the grid clock that the federation's processes keep."""
    if "FAIRWIND_GRID_START" not in env:
        return GridClock()
    return GridClock(
        wall_start=datetime.fromisoformat(env["FAIRWIND_WALL_START"]),
        grid_start=datetime.fromisoformat(env["FAIRWIND_GRID_START"]),
        speed=float(env["FAIRWIND_GRID_SPEED"]),
    )


@contextmanager
def running_fleet(
    folder: Path,
    zones: Mapping[str, str],
    *,
    settings: Env | None = None,
    sites: Mapping[str, Env] | None = None,
    redis_url: str | None = None,
    redis_users: bool = False,
) -> Iterator[Fleet]:
    """A coordinator, a beat and a site for every client, all of them up.

    Args:
        folder: Where the federation keeps its files.
        zones: The zone of each client.
        settings: For all processes, beside `QUICK`.
        sites: For one site alone, by client id.
        redis_url: A running server to use instead of starting one.
        redis_users: Whether each site logs in to Redis as a user of its own.
    """
    quick = {**QUICK, **(settings or {})}
    with (
        LocalFederation(
            folder, zones, settings=quick, redis_url=redis_url, redis_users=redis_users
        ) as local,
        closing(Fleet(local)) as fleet,
    ):
        for client, zone in zones.items():
            fleet.enroll(client, zone)
        local.start_coordinator()
        local.start_beat()
        local.write_redis_users(fleet.state())
        for client in zones:
            local.start_site(client, **(sites or {}).get(client, {}))
        fleet.wait_alive(*zones)
        yield fleet


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line by which a process has refused its work."""
    assert done.returncode in (1, 2), done
    assert "Traceback" not in done.stderr, done.stderr
    begins = ("fairwind: ", "Error: ")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith(begins)]
    return line.partition(": ")[2]


def assert_accounted_for(fleet: Fleet, run: str) -> None:
    """Check what holds whatever happened: nothing lost, nothing counted twice, all replayable."""
    counted = Counter((event.round, event.client) for event in fleet.events("update.accepted", run))
    assert max(counted.values()) == 1
    closed = fleet.run(run).closed
    summed = [(line.issued, line.client) for round_ in closed for line in round_.manifest]
    begun = fleet.run(run).end_reason == "stopped"  # what an open round had is not summed
    assert sorted(summed) == sorted(k for k in counted if not begun or k[0] <= len(closed))
    assert fleet.ledger.verify().broken_at is None
    assert [round_.number for round_ in closed] == list(range(1, len(closed) + 1))
    workloads = tuple(fleet.local.env.get("FAIRWIND_WORKLOADS", "digits").split(","))
    replayed = list(replay_run(fleet.run(run), Settings(home=fleet.home, workloads=workloads)))
    assert [line.fault for line in replayed] == [""] * len(closed)
    published = [closed.version for closed in fleet.payloads(RoundClosed, run)]
    assert [line.version for line in replayed] == published
