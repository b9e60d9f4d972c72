"""The page under a prefix, behind authentication, and Flower on loopback by default."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tornado.options import OptionParser

from tasks.monitor.guard import authenticates, is_loopback, restrict
from tests.unit.tasks.monitor.flower_site import (
    Serve,
    Site,
)

ROOT = Path(__file__).parents[4]


def test_page_lives_under_flowers_prefix(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        text = (await site.get("/flower/rounds")).body.decode()
        assert 'data-events="/flower/rounds/events"' in text
        assert 'src="/flower/rounds/static/rounds.js"' in text
        assert (await site.get("/flower/rounds/static/rounds.js")).code == 200
        assert (await site.get("/flower/rounds/data")).code == 200
        assert (await site.get("/rounds")).code == 404

    serve(visit, url_prefix="flower")


@pytest.mark.parametrize(
    "path", ["/rounds", "/rounds/data", "/rounds/events", "/rounds/advice?client=fr"]
)
def test_strangers_see_nothing_where_flower_asks_for_a_password(serve: Serve, path: str) -> None:
    async def visit(site: Site) -> None:
        assert (await site.get(path)).code == 401
        wrong = base64.b64encode(b"ann:guess").decode()
        assert (await site.get(path, headers={"Authorization": f"Basic {wrong}"})).code == 401
        assert site.source.computed == []
        assert site.source.advised == []

    serve(visit, basic_auth=["ann:right"])


def test_whoever_knows_the_password_sees_the_view(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        right = base64.b64encode(b"ann:right").decode()
        answer = await site.get("/rounds/data", headers={"Authorization": f"Basic {right}"})
        assert json.loads(answer.body)["document"]["verdict"] == "Training at fr."

    serve(visit, basic_auth=["ann:right"])


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - the very address that must not pass
        ("::", False),
        ("192.0.2.7", False),
        ("", False),
        ("no such name", False),
    ],
)
def test_loopback_is_told_from_the_rest(address: str, loopback: bool) -> None:  # noqa: FBT001
    assert is_loopback(address) is loopback


def parsed(*arguments: str) -> OptionParser:
    """Parse as Flower does: command line, configuration file, command line."""
    parser = OptionParser()
    for name in ("address", "unix_socket", "auth"):
        parser.define(name, default="", type=str)
    parser.define("basic_auth", default=None, type=str, multiple=True)
    parser.parse_command_line(["flower", *arguments])
    restrict(parser)
    parser.parse_command_line(["flower", *arguments])
    return parser


def test_flower_listens_on_loopback_unless_told_otherwise() -> None:
    assert parsed().address == "127.0.0.1"
    assert parsed("--address=::1").address == "::1"
    assert not parsed("--unix_socket=/run/flower.sock").address


@pytest.mark.parametrize("address", ["0.0.0.0", ""])  # noqa: S104
def test_flower_refuses_to_be_open_to_all(address: str) -> None:
    with pytest.raises(SystemExit, match=r"without authentication.*not started.*--basic-auth"):
        parsed(f"--address={address}")


@pytest.mark.parametrize("option", ["--basic_auth=ann:right", "--auth=ann@example.com"])
def test_flower_listens_anywhere_once_it_asks_who_comes(option: str) -> None:
    assert parsed("--address=0.0.0.0", option).address == "0.0.0.0"  # noqa: S104


def test_empty_password_is_no_authentication() -> None:
    assert not authenticates(parsed("--basic_auth="))


def test_real_command_refuses_in_one_line(tmp_path: Path) -> None:
    config = ROOT / "flowerconfig.py"
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-b", "memory://", "flower", f"--conf={config}",
         "--address=0.0.0.0", "--port=0"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip().startswith("Flower would listen on 0.0.0.0")
    assert len(done.stderr.strip().splitlines()) == 1
