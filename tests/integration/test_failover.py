"""Redis fails over, refuses or drops everybody for a while: every process goes on by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import quote, unquote

import pytest
import redis

from scheduler.ledger.run_spec import RunSpec
from tasks.local.federation import BEAT, COORDINATOR, FLOWER, site_name
from tasks.local.ports import free_port
from tasks.local.processes import Processes
from tasks.local.redis_server import RedisServer
from tests.integration.fleet import Fleet, running_fleet

pytestmark = pytest.mark.long

ZONES = {"north": "NO-NO1", "west": "FR"}
SETTINGS = {"FAIRWIND_STATIC_GCO2EQ_PER_KWH": '{"NO-NO1": 20, "FR": 50}'}
WORKERS = (COORDINATOR, *(site_name(client) for client in ZONES))
PROCESSES = (*WORKERS, BEAT, FLOWER)

Change = Callable[[redis.Redis], object]


RIGHTS = ("+@read", "+@write", "+@scripting", "+@pubsub", "+@connection", "+@transaction", "+time")
"""What docs/federation.md says that a user of Redis needs."""

PASSWORD = "p/a#s?s[w]@o:r%d;"  # noqa: S105 - of a server of this test's own


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    """A server as its administrator sees it."""
    with Processes(tmp_path_factory.mktemp("redis")) as processes:
        server = RedisServer(processes)
        with redis.Redis.from_url(server.redis_url) as client:
            yield client


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, broker: redis.Redis) -> Iterator[Fleet]:
    """A federation with Flower, a user of its own in Redis, and a run that goes on throughout."""
    _user("on", f">{PASSWORD}", "~*", "&*", *RIGHTS)(broker)
    port = broker.connection_pool.connection_kwargs["port"]
    url = f"redis://fed:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/0"
    folder = tmp_path_factory.mktemp("failover") / "federation"
    with running_fleet(folder, ZONES, settings=SETTINGS, redis_url=url) as started:
        started.local.start_flower(free_port())
        started.begin_run(RunSpec(id="run", workload="digits", policy="all", hours=1000))
        started.wait(lambda: started.run("run").closed, "the first round")
        yield started


def _reset_connections(broker: redis.Redis) -> None:
    for kind in ("normal", "pubsub"):
        broker.client_kill_filter(_type=kind, skipme=True)


def _to_replica(broker: redis.Redis) -> None:
    """What a failover does to the old primary: connections dropped, then READONLY."""
    broker.replicaof("127.0.0.1", "9")
    _reset_connections(broker)


def _user(*rules: str) -> Change:
    return lambda broker: broker.execute_command("ACL", "SETUSER", "fed", *rules)  # type: ignore[no-untyped-call]


CASES: dict[str, tuple[Change, Change, str]] = {
    "failover": (
        _to_replica,
        lambda broker: broker.replicaof("NO", "ONE"),
        "You can't write against a read only replica",
    ),
    "full": (
        lambda broker: broker.config_set("maxmemory", "1"),
        lambda broker: broker.config_set("maxmemory", "0"),
        "command not allowed when used memory > 'maxmemory'",
    ),
    "rights": (_user("-@write"), _user("+@write"), "has no permissions to run"),
}
"""What breaks Redis, what mends it, and what each worker logs meanwhile."""


def assert_goes_on(fleet: Fleet) -> None:
    done = len(fleet.run("run").closed)
    fleet.wait(lambda: len(fleet.run("run").closed) > done + 1, "two more rounds")
    assert all(fleet.local.processes.alive(name) for name in PROCESSES)
    for name in PROCESSES:
        assert "Unrecoverable error" not in fleet.log(name)
        assert PASSWORD not in unquote(fleet.log(name))


def _read(fleet: Fleet, name: str) -> str:
    """Return the log of a process, without the backslashes of quoted reasons."""
    return fleet.log(name).replace("\\", "")


@pytest.mark.parametrize("case", CASES)
def test_every_process_goes_on_by_itself(fleet: Fleet, broker: redis.Redis, case: str) -> None:
    breaks, mends, text = CASES[case]
    breaks(broker)
    try:
        for name in WORKERS:
            fleet.wait(lambda name=name: text in _read(fleet, name), f"{name} to notice")  # type: ignore[misc]
    finally:
        mends(broker)
    assert_goes_on(fleet)


@pytest.mark.parametrize("change", [_reset_connections, lambda broker: broker.flushall()])
def test_dropped_connections_and_lost_keys_hold_nothing_up(
    fleet: Fleet, broker: redis.Redis, change: Change
) -> None:
    change(broker)
    assert_goes_on(fleet)
