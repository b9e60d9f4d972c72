"""A site's user of Redis does what a site does, and nothing else: on Redis and on Valkey."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest
import redis

from common.password_file import load_or_make_password
from common.redis_users import new_password
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientRetired, RoundClosed
from tasks.local.federation import site_name
from tasks.local.ports import free_port
from tasks.local.processes import Processes
from tasks.local.redis_server import RedisServer, programs
from tests.integration.fleet import Fleet, running_fleet

ZONES = {"north": "NO-NO1", "west": "FR", "east": "PL"}
SETTINGS = {
    "FAIRWIND_STATIC_GCO2EQ_PER_KWH": '{"NO-NO1": 20, "FR": 50, "PL": 90}',
    "FAIRWIND_WORKLOADS": "digits,tests.fakes.mostly_frozen",
    "FAIRWIND_SETTLE_S": "3",  # advice, too
}
RUNS: dict[str, dict[str, Any]] = {
    "plain": {"rounds": 2},
    "frozen": {"workload": "tests.fakes.mostly_frozen", "rounds": 2},
    "scaffold": {"algorithm": "scaffold", "rounds": 3},
    "personal": {"personal": "2.*", "rounds": 2},
}


class Guarded:
    """A fleet on a server whose administrator this is."""

    def __init__(self, server: RedisServer, fleet: Fleet) -> None:
        self.server = server
        self.fleet = fleet
        self.admin = fleet.redis

    def denied(self) -> list[str]:
        """Return what Redis denied to anybody since the last look."""
        found = [
            f"{entry['username']}: {entry['reason']} {entry['object']} ({entry['client-info']})"
            for entry in self.admin.acl_log()
        ]
        self.admin.acl_log_reset()
        return found

    def as_site(self, client: str) -> redis.Redis:
        """Log in as a client's site, which knows its own password."""
        return redis.Redis.from_url(self.fleet.local.site_settings(client)["FAIRWIND_REDIS_URL"])


@pytest.fixture(scope="module", params=list(programs()), ids=lambda path: path.name)
def guarded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("users")
    with Processes(folder / "redis") as processes:
        server = RedisServer(processes, password=new_password(), program=request.param)
        with running_fleet(
            folder / "federation", ZONES, settings=SETTINGS, redis_url=server.redis_url,
            redis_users=True,
        ) as fleet:  # fmt: skip
            yield Guarded(server, fleet)


def test_a_fleet_trains_and_redis_denies_it_nothing(guarded: Guarded) -> None:
    for run, options in RUNS.items():
        guarded.fleet.start_run(run, **options)
    for run, options in RUNS.items():
        assert len(guarded.fleet.wait_ended(run).closed) == options["rounds"]
    guarded.fleet.kill_site("east")
    guarded.fleet.start_site("east")
    guarded.fleet.local.processes.stop(site_name("east"))
    guarded.fleet.start_site("east")
    assert guarded.denied() == []


UPDATE = "fairwind:blob:update~{}~plain~1"

DENIED: list[tuple[object, ...]] = [
    ("BRPOP", "client.west", 1), ("LRANGE", "client.west", 0, -1), ("LLEN", "client.west"),
    ("LPUSH", "client.west", "x"), ("DEL", "client.west"),
    # Of another type, its own queue would fail whoever sends to several sites at once.
    ("SET", "client.north", "x"), ("HSET", "client.north", "a", "x"),
    ("ZADD", "client.north", 1, "x"), ("LPUSH", "fairwind:client:north", "x"),
    ("LRANGE", "aggregation", 0, -1), ("BRPOP", "aggregation", 1), ("DEL", "aggregation"),
    ("LPUSH", "coordinator", "x"), ("LLEN", "coordinator"),
    ("LPUSH", "simulations.0a", "x"), ("RPUSH", "fairwind:simulations:answers:0", "x"),
    ("HSET", "client.north", "x", "x"), ("ZADD", "client.north", 0, "x"),
    ("HSET", "fairwind:unacked:client.north", "x", "x"),
    ("SET", "fairwind:client:west", "x"), ("GET", "fairwind:client:west"),
    ("SET", "fairwind:driver:beat", "x"), ("GET", "fairwind:driver:coordinator"),
    ("HGET", UPDATE.format("west"), "0"), ("HSET", UPDATE.format("west"), "0", "x"),
    ("UNLINK", UPDATE.format("west")), ("HSET", "fairwind:blob:model~0", "0", "x"),
    ("UNLINK", "fairwind:blob:model~0"), ("EXPIRE", "fairwind:blob:model~0", 0),
    ("HMGET", "fairwind:blob:correction~west~plain~1", "0"), ("GET", "fairwind:probe"),
    ("HGETALL", "fairwind:provider:watttime:0"), ("GET", "celery-task-meta-0"),
    ("EVAL", "return 1", 0), ("EVALSHA", "0" * 40, 0), ("SCRIPT", "LOAD", "return 1"),
    ("SCRIPT", "FLUSH"), ("FUNCTION", "LIST"), ("FCALL", "x", 0),
    ("KEYS", "*"), ("SCAN", 0), ("RANDOMKEY",), ("DBSIZE",), ("TYPE", "client.west"),
    ("CONFIG", "GET", "*"), ("CLIENT", "LIST"), ("CLIENT", "KILL", "USER", "site-west"),
    ("CLIENT", "PAUSE", 1000), ("INFO",), ("MONITOR",), ("SHUTDOWN", "NOSAVE"),
    ("ACL", "LIST"), ("ACL", "WHOAMI"), ("ACL", "SETUSER", "site-north", "+@all"),
    ("FLUSHALL",), ("FLUSHDB",), ("SWAPDB", 0, 1), ("REPLICAOF", "127.0.0.1", 9),
    ("PUBLISH", "/0.celery.pidbox", "x"), ("SUBSCRIBE", "/0.celery.pidbox"),
    ("PSUBSCRIBE", "/0.celeryev/*"), ("SADD", "_kombu.binding.celery.pidbox", "x"),
    ("RENAME", "client.north", "client.west"), ("COPY", "client.north", "client.west"),
    ("LMOVE", "client.north", "client.west", "LEFT", "LEFT"),
    ("RESTORE", "client.north", 0, "x"), ("SORT", "client.north", "STORE", "client.west"),
]  # fmt: skip


@pytest.mark.parametrize("words", DENIED, ids=lambda words: " ".join(map(str, words))[:50])
def test_what_is_not_a_sites_is_denied_to_it(guarded: Guarded, words: tuple[object, ...]) -> None:
    with guarded.as_site("north") as site, pytest.raises(redis.exceptions.NoPermissionError):
        site.execute_command(*words)
    assert guarded.denied()  # the administrator sees it


def test_what_is_a_sites_is_not_what_another_may_write_in_a_transaction(guarded: Guarded) -> None:
    with guarded.as_site("north") as site, site.pipeline() as pipe:
        pipe.set("fairwind:probe", "")
        pipe.set("fairwind:client:west", "x")
        with pytest.raises(redis.RedisError, match="permissions"):
            pipe.execute()


def test_a_stranger_can_do_nothing(guarded: Guarded) -> None:
    address = f"127.0.0.1:{guarded.server.port}/0"
    for login in ("", "site-north:wrong@", f":{new_password()}@", "flower:flower@"):
        stranger = redis.Redis.from_url(f"redis://{login}{address}")
        with stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


def test_no_user_of_redis_has_a_password_that_can_be_read(guarded: Guarded) -> None:
    for client in ZONES:
        password = load_or_make_password(
            guarded.fleet.local.folder / "sites" / client / "redis.password"
        )
        assert password not in str(guarded.admin.acl_list())
        assert password not in str([event.payload for event in guarded.fleet.ledger.events()])


def test_check_says_that_each_site_has_a_user(guarded: Guarded) -> None:
    said = guarded.fleet.local.fairwind("check").stdout
    assert "Each site has a user of its own in Redis" in said
    assert "needs no password" not in said


def test_an_emptied_redis_gets_its_users_again_and_the_run_goes_on(guarded: Guarded) -> None:
    guarded.fleet.start_run("emptied", rounds=40)
    guarded.fleet.wait_event(RoundClosed, "emptied")
    guarded.server.kill()
    before = len(guarded.fleet.run("emptied").closed)
    guarded.server.restart()
    guarded.fleet.wait(
        lambda: {f"site-{client}" for client in ZONES} <= set(guarded.admin.acl_users()),
        "the users of the sites",
    )
    assert before < len(guarded.fleet.wait_ended("emptied").closed) == 40


def test_flower_sees_and_redis_denies_it_nothing(guarded: Guarded) -> None:
    guarded.denied()  # the sites tried to log in before their users were there
    port = free_port()
    guarded.fleet.local.start_flower(port)
    guarded.fleet.wait(lambda: "train@north" in looked(port), "Flower to see a worker")
    guarded.fleet.start_run("seen", rounds=2)
    guarded.fleet.wait_ended("seen")
    assert guarded.denied() == []
    assert "Failed to" not in guarded.fleet.log("flower")


def looked(port: int) -> str:
    """Return the workers that Flower shows; nothing while it starts."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/workers?json=1", timeout=5) as page:
            return str(page.read())
    except OSError:
        return ""


def test_a_retired_client_is_cut_off_and_the_others_go_on(guarded: Guarded) -> None:
    with guarded.as_site("east") as site:
        site.ping()
        with guarded.fleet.ledger.transaction() as tx:
            tx.append(Draft(ClientRetired(), client="east"))
        guarded.fleet.wait(
            lambda: "site-east" not in guarded.admin.acl_users(), "the user to be deleted"
        )
        with pytest.raises(redis.AuthenticationError):
            site.ping()
    guarded.fleet.start_run("without", rounds=2)
    assert set(guarded.fleet.wait_ended("without").closed[-1].cohort) == {"north", "west"}
