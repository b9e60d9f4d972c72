"""A Redis that cannot be used is found beforehand, with what is wrong and what to do."""

from __future__ import annotations

import os
import shutil
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis
from celery import Celery

from common.errors import BrokerError
from common.settings import Settings
from tasks.app import app as default_app
from tasks.cli.preflight_redis import check_redis
from tasks.local.ports import free_port
from tasks.local.processes import Processes
from tasks.local.redis_server import RedisServer, find_program
from tasks.messaging.broker import check_usable, connect_once
from tasks.messaging.drivers import DriverWatch
from tests.integration.fleet import CELERY, COORDINATOR_WORKER, PATIENCE_S, SITE_WORKER, refusal

PROJECT = Path(__file__).resolve().parents[2]

BEAT = (*CELERY, "beat")


@dataclass
class Broken:
    """A server of its own, which each test breaks in its way and mends again."""

    server: RedisServer
    folder: Path
    readable: bool = False
    client: redis.Redis = field(init=False)

    def __post_init__(self) -> None:
        self.client = redis.Redis.from_url(self.server.redis_url)

    def user(self, *rights: str) -> None:
        """Give rights to the user as whom everybody connects, or take them."""
        self.client.execute_command("ACL", "SETUSER", "default", *rights)  # type: ignore[no-untyped-call]

    def fault(self) -> str:
        """Return what `status`, `check` and the start of a process find; they must agree."""
        ours = Settings(redis_url=self.server.redis_url)
        with pytest.raises(BrokerError) as caught:
            usable(self.server.redis_url)
        with pytest.raises(BrokerError) as checked:
            list(check_redis(ours))
        drivers = DriverWatch().look(ours)
        assert drivers.level == "unusable"
        assert str(caught.value) == str(checked.value) == drivers.fault
        self.readable = _readable(self.server.redis_url)
        prefix = f"Redis at 127.0.0.1:{self.server.port} "
        assert str(caught.value).startswith(prefix)
        return str(caught.value).removeprefix(prefix)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broken]:
    folder = tmp_path_factory.mktemp("broken")
    with Processes(folder) as processes:
        yield Broken(RedisServer(processes), folder)


def _readable(url: str) -> bool:
    """Return whether commands that only read can use Redis at this address."""
    try:
        with connect_once(Settings(redis_url=url)) as client:
            check_usable(client, to_read=True)
    except BrokerError:
        return False
    return True


def usable(url: str) -> None:
    """Look whether Redis at this address can be used, over a connection that is closed again."""
    with connect_once(Settings(redis_url=url)) as client:
        check_usable(client)


def test_one_that_is_well_is_usable(broken: Broken) -> None:
    ours = Settings(redis_url=broken.server.redis_url)
    usable(ours.redis_url)
    (found,) = check_redis(ours)
    assert (found.level, found.text) == ("ok", "Redis answers and takes writes.")
    assert broken.client.pttl("fairwind:probe") <= 1000


def test_a_full_one(broken: Broken) -> None:
    broken.client.config_set("maxmemory", "1")
    try:
        assert broken.fault() == (
            "is full, so no task can be sent. Raise its maxmemory, or free some of it."
        )
        assert broken.readable
    finally:
        broken.client.config_set("maxmemory", "0")


def test_a_full_one_holds_up_no_reply_to_an_inspection(broken: Broken) -> None:
    app = Celery(
        broker=broken.server.redis_url, control=default_app.control_cls, set_as_current=False
    )
    mailbox = app.control.mailbox  # type: ignore[attr-defined]
    with app.connection_for_write() as connection:
        channel = connection.channel()
        queue = mailbox.reply_queue(channel)
        queue.declare()
        broken.client.config_set("maxmemory", "1")
        try:
            replying = threading.Thread(
                target=mailbox._publish_reply,  # what a worker's event loop calls
                args=({"north": "pong"}, queue.exchange.name, queue.routing_key, "a ticket"),
                kwargs={"channel": channel},
                daemon=True,
            )
            replying.start()
            replying.join(PATIENCE_S)
            assert not replying.is_alive()
        finally:
            broken.client.config_set("maxmemory", "0")


@pytest.mark.parametrize(
    ("serves", "fault"),
    [("yes", "is a read-only replica,"), ("no", "is a replica that has lost its primary,")],
)
def test_a_replica(broken: Broken, serves: str, fault: str) -> None:
    broken.client.config_set("replica-serve-stale-data", serves)
    broken.client.replicaof("127.0.0.1", "9")
    try:
        text = broken.fault()
    finally:
        broken.client.replicaof("NO", "ONE")
        broken.client.config_set("replica-serve-stale-data", "yes")
    assert text.startswith(fault)
    assert text.endswith("primary in FAIRWIND_REDIS_URL, unless a failover is under way.")
    assert broken.readable == (serves == "yes")


def test_a_primary_without_its_replicas(broken: Broken) -> None:
    broken.client.config_set("min-replicas-to-write", "1")
    try:
        assert broken.fault().startswith("takes no writes (NOREPLICAS ")
    finally:
        broken.client.config_set("min-replicas-to-write", "0")


@pytest.mark.parametrize("rights", ["-@write", "-time", "resetkeys"])
def test_a_user_without_the_rights(broken: Broken, rights: str) -> None:
    broken.user(rights)
    try:
        text = broken.fault()
    finally:
        broken.user("+@all", "allkeys")
    assert text.startswith("does not allow its user what Fairwind needs (")
    assert text.endswith("See docs/federation.md for the rights of a user.")


def test_a_user_without_scripts_will_do_but_for_provider_limits(broken: Broken) -> None:
    broken.user("-@scripting")
    try:
        usable(broken.server.redis_url)
        with pytest.raises(BrokerError, match="does not allow its user what Fairwind needs"):
            check_usable(broken.client, to_run_scripts=True)
    finally:
        broken.user("+@all", "allkeys")


def test_another_password(broken: Broken) -> None:
    url = broken.server.redis_url
    ours = Settings(redis_url=url.replace("redis://", "redis://someone:hunter2@"))
    with pytest.raises(BrokerError, match="refuses the user or the password") as caught:
        usable(ours.redis_url)
    assert "hunter2" not in str(caught.value)
    assert "percent-encode" in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    ours = Settings(redis_url=f"rediss://127.0.0.1:1/0?ssl_ca_certs={tmp_path}/ca.crt")
    with pytest.raises(BrokerError, match=r"names .*/ca\.crt, which this user cannot read"):
        usable(ours.redis_url)


def test_one_that_does_not_speak_tls(broken: Broken) -> None:
    url = broken.server.redis_url.replace("redis://", "rediss://")
    with pytest.raises(BrokerError, match="no answer to the TLS handshake within 5 s"):
        usable(url)


def test_a_database_that_is_not_there(broken: Broken) -> None:
    ours = Settings(redis_url=broken.server.redis_url.replace("/0", "/99"))
    with pytest.raises(BrokerError, match="has no database of that number"):
        usable(ours.redis_url)


def test_one_that_has_no_place_for_another_client(broken: Broken) -> None:
    broken.client.config_set("maxclients", "1")
    try:
        assert broken.fault().startswith("serves as many clients as it may, so no task can be sent")
    finally:
        broken.client.config_set("maxclients", "1000")


def test_one_that_cannot_save(broken: Broken) -> None:
    shutil.rmtree(broken.folder)
    broken.client.config_set("save", "1 1")
    broken.client.bgsave()
    try:
        until = time.monotonic() + PATIENCE_S
        while broken.client.info("persistence")["rdb_last_bgsave_status"] == "ok":
            assert time.monotonic() < until
            time.sleep(0.05)
        text = broken.fault()
    finally:
        broken.folder.mkdir()
        broken.client.config_set("save", "")  # else it would not end
        broken.client.config_set("stop-writes-on-bgsave-error", "no")
    assert text.startswith("cannot save its data to disk and therefore takes no writes")
    assert 'CONFIG SET save ""' in text


class _Loading(socketserver.StreamRequestHandler):
    """Answers as a server does that has just been started with a large dump."""

    def handle(self) -> None:
        while self.rfile.readline():
            self.wfile.write(b"-LOADING Redis is loading the dataset in memory\r\n")


def test_one_that_still_loads_its_data() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Loading) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        with pytest.raises(BrokerError) as caught:
            usable(f"redis://127.0.0.1:{port}/0")
        server.shutdown()
    assert str(caught.value) == (
        f"Redis at 127.0.0.1:{port} is still loading its data, so no task can be sent. "
        "Wait until it has."
    )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A node of a Redis Cluster, which holds all keys."""
    port = free_port()
    with Processes(tmp_path_factory.mktemp("cluster")) as processes:
        words = ["--port", str(port), "--cluster-enabled", "yes", "--save", ""]
        command = [str(find_program()), *words, "--dir", str(processes.folder)]
        processes.start("node", command, env=os.environ)
        with redis.Redis(port=port) as client:
            while not _answers(client):
                time.sleep(0.05)
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        yield f"redis://127.0.0.1:{port}/0"
        processes.kill("node")


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_a_cluster_is_found_by_check(cluster: str) -> None:
    with pytest.raises(BrokerError, match="is a node of a Redis Cluster, on which Celery cannot"):
        list(check_redis(Settings(redis_url=cluster)))


@pytest.mark.parametrize("program", [COORDINATOR_WORKER, SITE_WORKER, BEAT])
def test_no_process_starts_on_a_cluster(
    program: tuple[str, ...], cluster: str, tmp_path: Path
) -> None:
    env = {
        "FAIRWIND_REDIS_URL": cluster,
        "FAIRWIND_HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(PROJECT),
    }
    done = subprocess.run(
        [sys.executable, *program], cwd=tmp_path, env={**os.environ, **env},
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    text = refusal(done)
    assert "is a node of a Redis Cluster" in text
    assert text.endswith("Name a server without cluster-enabled in FAIRWIND_REDIS_URL.")
