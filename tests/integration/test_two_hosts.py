"""Three hosts, as network namespaces: a coordinator, and two sites that reach its one port by TLS.

The commands and files are those of docs/federation.md.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from common.clock import GridClock, wall_now
from common.identity import Identity
from common.kit import read_kit, write_kit
from common.tls import TlsFiles, make_tls
from scheduler.federation.federation import Federation
from scheduler.federation.opening import open_ledger
from scheduler.ledger.events import UpdateAccepted
from tasks.local.processes import Processes

PROJECT = Path(__file__).resolve().parents[2]
PAGE = PROJECT / "docs" / "federation.md"
PATIENCE_S = 180.0
HUB = "10.77.0.1"
NAME = "fed.example.org"
PASSWORD = "the-coordinators-own"  # noqa: S105 - of a server that lives for this test
T = TypeVar("T")

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(900)]


@dataclass
class Host:
    """A network namespace, a folder, and the settings of the processes there."""

    name: str
    folder: Path
    processes: Processes
    settings: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if "FAIRWIND" not in name}
        path = f"{Path(sys.executable).parent}:{kept['PATH']}"
        return {
            **kept, "PATH": path, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1",
            "FAIRWIND_HOME": str(self.folder), **self.settings,
        }  # fmt: skip

    def inside(self, command: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, "bash", "-c", command]

    def try_(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.inside(command), env=self.environment(), cwd=self.folder, text=True,
            capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE_S, check=False,
        )  # fmt: skip

    def run(self, command: str) -> str:
        done = self.try_(command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def refused(self, command: str) -> str:
        done = self.try_(command)
        assert done.returncode != 0, done.stdout
        assert "Traceback" not in done.stderr
        return done.stderr

    def start(self, name: str, command: str) -> None:
        self.processes.start(
            name, self.inside(f"exec {command}"), env=self.environment(), cwd=self.folder
        )

    def reaches(self, host: str, port: int) -> bool:
        connect = f"socket.create_connection(({host!r}, {port}), timeout=2)"
        return self.try_(f'{sys.executable} -c "import socket; {connect}"').returncode == 0

    def listens(self) -> set[int]:
        """Return the ports on which anything there listens for other hosts."""
        found = set()
        for line in self.run("cat /proc/net/tcp").splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, port = local.split(":")
            if state == "0A" and not address.endswith("7F"):  # LISTEN; not 127.x.x.x
                found.add(int(port, 16))
        return found


@dataclass
class Hosts:
    """The coordinator's host and those of two sites."""

    coordinator: Host
    lyon: Host
    oslo: Host

    def state(self) -> Federation:
        ledger = open_ledger(f"sqlite:///{self.coordinator.folder}/ledger.sqlite", GridClock())
        try:
            return ledger.state()
        finally:
            ledger.close()

    def trained(self, run: str) -> set[str]:
        """Return the clients of which an update counted in a run."""
        ledger = open_ledger(f"sqlite:///{self.coordinator.folder}/ledger.sqlite", GridClock())
        try:
            return {
                event.client
                for event in ledger.events(run=run)
                if isinstance(event.payload, UpdateAccepted)
            }
        finally:
            ledger.close()

    def wait(self, found: Callable[[], T], what: str) -> T:
        until = time.monotonic() + PATIENCE_S
        while not (result := found()):
            self.coordinator.processes.check()
            names = self.coordinator.processes.names
            tails = "\n".join(self.coordinator.processes.tail(name) for name in names)
            assert time.monotonic() < until, f"waited for {what}, in vain\n{tails}"
            time.sleep(0.2)
        return result


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def namespaces() -> Iterator[tuple[str, str, str]]:
    """A namespace for each host: sites are joined to the coordinator, not to each other."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and the Debian package iproute2")
    names = ("fairwind-c", "fairwind-a", "fairwind-b")
    try:
        _ip("netns", "add", names[0])
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine makes no network namespaces: {error.stderr.strip()}")
    try:
        _ip("-n", names[0], "link", "set", "lo", "up")
        _ip("-n", names[0], "address", "add", f"{HUB}/32", "dev", "lo")
        for number, name in enumerate(names[1:], 1):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
            here = ("link", "add", f"site{number}", "type", "veth")
            _ip("-n", names[0], *here, "peer", "name", "up0", "netns", name)
            _ip("-n", names[0], "address", "add", f"10.77.{number}.1/24", "dev", f"site{number}")
            _ip("-n", names[0], "link", "set", f"site{number}", "up")
            _ip("-n", name, "address", "add", f"10.77.{number}.2/24", "dev", "up0")
            _ip("-n", name, "link", "set", "up0", "up")
            _ip("-n", name, "route", "add", f"{HUB}/32", "via", f"10.77.{number}.1")
        for name in names:
            # `ip netns exec` shows a host the names that stand there.
            (etc := Path("/etc/netns") / name).mkdir(parents=True, exist_ok=True)
            (etc / "hosts").write_text(f"127.0.0.1 localhost\n{HUB} {NAME}\n")
        yield names
    finally:
        for name in names:
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", name)
            shutil.rmtree(Path("/etc/netns") / name, ignore_errors=True)


@pytest.fixture(scope="module")
def hosts(
    namespaces: tuple[str, str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hosts]:
    """The three hosts, with Redis, a coordinator and beat up, as the page says."""
    if shutil.which("redis-server") is None:
        pytest.skip("a Redis that can do TLS is needed: the Debian package redis-server")
    folder = tmp_path_factory.mktemp("hosts")
    with Processes(folder / "logs") as processes:
        made = []
        for name in namespaces:
            (home := folder / name).mkdir()
            made.append(Host(name, home, processes))
        hosts = Hosts(*made)
        start_redis(hosts.coordinator)
        hosts.coordinator.settings = {
            **environment_file(hosts.coordinator), "FAIRWIND_WORKLOADS": "digits",
            "FAIRWIND_SIGNAL": "static", "FAIRWIND_THRESHOLD_GCO2EQ_PER_KWH": "900",
            "FAIRWIND_TICK_S": "0.5", "FAIRWIND_DEVICE": "cpu", "FAIRWIND_SILENT_AFTER_S": "5",
            "FAIRWIND_STATIC_GCO2EQ_PER_KWH": '{"FR": 50, "NO-NO1": 20}',
            "FAIRWIND_PARTITION": "lyon,oslo",
        }  # fmt: skip
        commands = lines(shown("cd /var/lib/fairwind"))
        for process, word in (("coordinator", "worker"), ("beat", "beat")):
            (command,) = [line for line in commands if f"tasks {word}" in line]
            hosts.coordinator.start(process, command)
        yield hosts


def start_redis(host: Host) -> None:
    """Make certificates and start Redis with the configuration of the page."""
    host.run(lines(shown("fairwind tls make"))[0])
    (conf,) = re.findall(r"```\n(# /etc/redis/redis\.conf\n.*?)```", PAGE.read_text(), re.DOTALL)
    etc = host.folder / "etc"
    etc.mkdir()
    for name in ("ca.crt", "redis.crt", "redis.key"):
        shutil.copy(host.folder / "tls" / name, etc)
    text = conf.replace("/etc/redis", str(etc)).replace("CHANGE-ME", PASSWORD)
    (etc / "redis.conf").write_text(f"{text}dir {etc}\n")
    host.start("redis", f"redis-server {etc}/redis.conf")
    until = time.monotonic() + PATIENCE_S
    while 6379 not in host.listens():
        log = host.processes.log("redis")
        if "Bad directive" in log or "TLS" in log:
            pytest.skip(f"this redis-server cannot do TLS: {log[-300:]}")
        assert time.monotonic() < until, log
        time.sleep(0.1)


def environment_file(host: Host) -> Mapping[str, str]:
    """Return the coordinator's environment file of the page, for this host's folders."""
    text = shown("FAIRWIND_REDIS_URL=").replace("/var/lib/fairwind", str(host.folder))
    text = text.replace("CHANGE-ME", PASSWORD)
    return dict(line.split("=", 1) for line in text.splitlines() if re.match(r"[A-Z_]+=", line))


def shown(begins: str) -> str:
    """Return the block of the page whose first command begins so."""
    found = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (block,) = [block for block in found if [*lines(block), ""][0].startswith(begins)]
    return str(block)


def lines(block: str) -> list[str]:
    """Return the commands of a block, without comments."""
    bare = [re.sub(r"\s+#.*$", "", line) for line in block.splitlines()]
    return [line for line in bare if line and not line.startswith("#")]


def join(hosts: Hosts, client: str, kit: str) -> None:
    """Carry a kit to its site, and join there with the commands of the page."""
    site: Host = getattr(hosts, client)
    shutil.copyfile(hosts.coordinator.folder / kit, site.folder / kit)  # 0644, as by mail
    (site.folder / kit).chmod(0o644)
    before = hosts.state().clients[client].key
    chmod, join_ = (line.replace("lyon.kit", kit) for line in lines(shown("chmod 600 lyon.kit")))
    site.run(chmod)

    def joins() -> bool:
        # A busy coordinator may not have written the site's user to Redis yet.
        done = site.try_(join_)
        if done.returncode and "does not know the user" in done.stderr:
            return False
        assert f"celery -A tasks worker -Q client.{client}" in done.stdout, done.stderr
        return True

    hosts.wait(joins, f"{client} to join")

    def accepted() -> bool:
        return hosts.state().clients[client].key not in (None, before)

    hosts.wait(accepted, f"the coordinator to accept the key of {client}")


def start_site(hosts: Hosts, client: str) -> None:
    site: Host = getattr(hosts, client)
    before = hosts.state().clients[client].incarnation
    site.start(f"site-{client}", f"celery -A tasks worker -Q client.{client}")

    def is_new() -> bool:
        known = hosts.state().clients[client]
        return known.alive and known.incarnation != before

    hosts.wait(is_new, f"the worker of {client}")


def trains(hosts: Hosts, run: str, *clients: str) -> None:
    """Start a run of one round and check whose updates count."""
    hosts.coordinator.run(
        f"fairwind run start digits --id {run} --rounds 1 --policy all --quorum {len(clients)}"
    )
    hosts.wait(lambda: hosts.state().runs[run].ended_at, f"the end of {run}")
    assert hosts.trained(run) == set(clients)


PING = "import sys, redis; redis.Redis.from_url(sys.argv[1]).ping()"


def logs_in(site: Host, address: str) -> bool:
    return site.try_(f"{sys.executable} -c '{PING}' '{address}'").returncode == 0


def test_sites_join_train_rotate_and_are_revoked_over_the_one_port(hosts: Hosts) -> None:
    coordinator, lyon, oslo = hosts.coordinator, hosts.lyon, hosts.oslo
    for command in lines(shown("fairwind enroll lyon --zone FR --kit")):
        coordinator.run(command)
    own = 'partition = ["lyon", "oslo"]\ndevice = "cpu"\nheartbeat_s = 1\n'
    for client in ("lyon", "oslo"):
        site: Host = getattr(hosts, client)
        (site.folder / "fairwind.toml").write_text(own)
        join(hosts, client, f"{client}.kit")
        start_site(hosts, client)
    trains(hosts, "first", "lyon", "oslo")

    # One port, and nothing else: neither at the coordinator nor at another site.
    assert coordinator.listens() == {6379}
    assert lyon.listens() == oslo.listens() == set()
    assert lyon.reaches(NAME, 6379)
    assert not lyon.reaches("10.77.2.2", 6379)
    kit = read_kit(lyon.folder / "lyon.kit")
    ca = lyon.folder / "site" / "lyon" / "ca.crt"
    assert not logs_in(lyon, kit.redis.model_copy(update={"user": "site-oslo"}).address(ca))

    # A new kit: the old password ends at once, the old key with the join.
    old = kit.redis.address(ca)
    assert logs_in(lyon, old)
    rotate, revoke = lines(shown("fairwind rotate lyon"))
    coordinator.run(rotate)
    hosts.wait(lambda: not logs_in(lyon, old), "the old password to be refused")
    lyon.processes.stop("site-lyon")
    assert "does not know the user site-lyon" in lyon.refused("fairwind site join lyon.kit")
    key = hosts.state().clients["lyon"].key
    join(hosts, "lyon", "lyon-2.kit")
    assert hosts.state().clients["lyon"].key != key
    start_site(hosts, "lyon")
    trains(hosts, "second", "lyon", "oslo")

    # Out: the other site goes on.
    coordinator.run(revoke)
    new = read_kit(lyon.folder / "lyon-2.kit").redis.address(ca)
    hosts.wait(lambda: not logs_in(lyon, new), "the new password to be refused, too")
    with suppress(Exception):
        lyon.processes.kill("site-lyon")
    trains(hosts, "third", "oslo")
    rows = json.loads(coordinator.run("fairwind clients --json"))
    assert [row["client"] for row in rows] == ["oslo"]


def test_a_redis_that_is_not_the_right_one_gets_no_password(hosts: Hosts, tmp_path: Path) -> None:
    """A kit of which the authority did not give Redis its certificate."""
    files = TlsFiles(tmp_path / "tls")
    make_tls(files, (NAME,), wall_now())
    hosts.coordinator.run("fairwind enroll bergen --zone NO-NO1 --kit bergen.kit")
    kit, other = read_kit(hosts.coordinator.folder / "bergen.kit"), Identity.make()
    place = kit.redis.model_copy(update={"ca": files.ca.read_text()})
    false = kit.model_copy(update={"redis": place, "coordinator_key": other.public.text})
    write_kit(tmp_path / "false.kit", false, other)
    site = Host(hosts.oslo.name, tmp_path / "site", hosts.oslo.processes)
    site.folder.mkdir()
    said = site.refused(f"fairwind site join {tmp_path}/false.kit")
    assert "shows a certificate that is not believed" in said
    assert not (site.folder / "fairwind.toml").exists()
