"""The images and the compose file as a user starts them: built, up, a federation trains, down."""

from __future__ import annotations

import json
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.images.base import Base, find_base
from tests.images.engine import Engine, NoEngine, find_engine
from tests.images.pip_settings import build_arguments

DOCKER = Path(__file__).resolve().parents[2] / "docker"
PROJECT = "fairwind-images-test"
TAG = "test"
IMAGES = {role: f"fairwind-{role}:{TAG}" for role in ("coordinator", "site")}
AUTH = ("admin", "letmein")
WATCHED = ("redis", "coordinator", "flower", "site-lyon", "site-oslo")
PATIENCE_S = 180.0

# Building brings about 400 MB of packages; every step has a bound of its own.
pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module")
def engine(work: Path) -> Engine:
    try:
        return find_engine(work)
    except NoEngine as missing:
        pytest.skip(f"THE IMAGES ARE NOT TESTED: {missing}.")


@pytest.fixture(scope="module")
def base(engine: Engine, work: Path) -> Base:
    try:
        return find_base(engine, work)
    except NoEngine as missing:
        pytest.skip(f"THE IMAGES ARE NOT TESTED: {missing}.")


@pytest.fixture(scope="module")
def images(engine: Engine, base: Base, work: Path) -> dict[str, str]:
    """Build both images, as the Dockerfile says, with this machine's settings of pip."""
    shared = [f"--file={DOCKER / 'Dockerfile'}", f"--build-arg=BASE={base.python}"]
    shared += build_arguments(engine, work)
    if engine.name == "podman":
        shared.append("--format=docker")  # The other format has no health checks.
    before = _ids(engine)
    for role, tag in IMAGES.items():
        words = ["build", *shared, f"--target={role}", f"--tag={tag}", str(DOCKER.parent)]
        engine.call(*words, timeout_s=1200)
    # What they replace has no name any more, and would stay on the disk for ever.
    for old in before - _ids(engine):
        engine.works("rmi", old)
    return IMAGES


def _ids(engine: Engine) -> set[str]:
    """Return the ids of the images that have our names now."""
    shown = [
        engine.call("inspect", "--type=image", "--format={{.Id}}", tag, check=False)
        for tag in IMAGES.values()
    ]
    return {seen.stdout.strip() for seen in shown if seen.returncode == 0}


@dataclass(frozen=True)
class Composed:
    """The services of the compose file, up."""

    engine: Engine
    flower_port: int

    def name(self, service: str) -> str:
        return self.engine.container(PROJECT, service)

    def inspect(self, service: str, what: str) -> str:
        return self.engine.call("inspect", f"--format={what}", self.name(service)).stdout.strip()

    def exec(self, service: str, *words: str) -> str:
        return self.engine.call("exec", self.name(service), *words).stdout

    def run(self, run: str) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(
            self.exec("coordinator", "fairwind", "run", "show", run, "--json")
        )
        return shown


@pytest.fixture(scope="module")
def federation(
    engine: Engine, base: Base, images: dict[str, str], work: Path
) -> Iterator[Composed]:
    shutil.copy(DOCKER / "compose.yaml", work)
    port = _free_port()
    (work / ".env").write_text(_filled_in(base, port), encoding="utf-8")
    compose = [*engine.compose, "-p", PROJECT, "-f", str(work / "compose.yaml")]
    engine.command([*compose, "down", "--volumes"], timeout_s=300, check=False)
    try:
        engine.command([*compose, "up", "--detach"], timeout_s=300)
        yield Composed(engine, port)
    finally:
        engine.command([*compose, "down", "--volumes"], timeout_s=300, check=False)


def _filled_in(base: Base, port: int) -> str:
    """Return `.env.example` as a user fills it in for this machine."""
    values = {
        "REDIS_PASSWORD": "abc123",
        "FLOWER_BASIC_AUTH": ":".join(AUTH),
        "FLOWER_PORT": str(port),
        "TAG": TAG,
        "BASE": base.python,
        "REDIS_IMAGE": base.redis,
    }
    text = (DOCKER / ".env.example").read_text("utf-8")
    for name, value in values.items():
        text, found = re.subn(rf"^#?{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
        assert found == 1, f".env.example has {found} lines for {name}"
    return text


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _wait_for(what: str, reached: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < end, f"not within {PATIENCE_S:.0f} s: {what}"
        time.sleep(1)


@pytest.mark.parametrize("role", IMAGES)
def test_images_hold_the_cpu_build_and_run_as_nobody_special(
    engine: Engine, images: dict[str, str], role: str
) -> None:
    look = "import os, torch; print(torch.version.cuda, os.getuid(), os.access('/opt', os.W_OK))"
    seen = engine.call("run", "--rm", images[role], "python", "-c", look).stdout
    assert seen.split() == ["None", "10001", "False"]


def test_every_service_of_the_compose_file_becomes_healthy(federation: Composed) -> None:
    for service in WATCHED:
        check = partial(federation.engine.healthy, federation.name(service))
        _wait_for(f"{service} is healthy", check)
    assert federation.inspect("enroll", "{{.State.ExitCode}}") == "0"
    assert federation.inspect("beat", "{{.State.Running}}") == "true"


def test_two_enrolled_sites_close_three_rounds(federation: Composed) -> None:
    clients = json.loads(federation.exec("coordinator", "fairwind", "clients", "--json"))
    assert {client["client"] for client in clients} == {"lyon", "oslo"}
    federation.exec("coordinator", "fairwind", "run", "start", "digits", "--rounds", "3")
    _wait_for("digits-1 has ended", lambda: federation.run("digits-1")["run"]["status"] == "ended")
    ended = federation.run("digits-1")
    assert ended["run"]["rounds_done"] == 3
    assert [line["cohort"] for line in ended["rounds"]] == [["lyon", "oslo"]] * 3
    assert len({line["version"] for line in ended["rounds"]}) == 3
    federation.exec("coordinator", "fairwind", "ledger", "verify")
    federation.exec("coordinator", "test", "-s", "runs/digits-1/best.safetensors")


def test_page_of_flower_is_published_and_wants_the_password(federation: Composed) -> None:
    url = f"http://127.0.0.1:{federation.flower_port}/rounds"
    assert httpx.get(url).status_code == 401
    page = httpx.get(url, auth=AUTH)
    assert page.status_code == 200
    assert "Rounds" in page.text


@pytest.mark.parametrize("service", WATCHED)
def test_services_can_write_their_own_folders_alone(federation: Composed, service: str) -> None:
    root = "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Privileged}}"
    assert federation.inspect(service, root) == "true false"
    status = federation.exec(service, "cat", "/proc/1/status")
    assert re.search(r"^CapEff:\s*0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s*1$", status, re.MULTILINE)
    assert re.search(r"^Uid:\s*[1-9]", status, re.MULTILINE)


def test_site_stops_warmly(federation: Composed) -> None:
    federation.engine.call("stop", "--time", "60", federation.name("site-oslo"))
    assert federation.inspect("site-oslo", "{{.State.ExitCode}}") == "0"
