"""A folder of `fairwind up`: held by one process, and what the next one finds there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from common import settings
from common.errors import BrokerError, FederationError, SettingError
from tasks.local.arrangement import Sites, Wanted, broker_of, remember, settings_of, site_env
from tasks.local.command import demo, up
from tasks.local.demo import Demo
from tasks.local.env_file import write_env
from tasks.local.folder_lock import Holder, hold, holder
from tasks.local.ports import free_port
from tasks.local.remembered import Remembered
from tasks.local.scene import SIX_GRIDS

NOTHING = Wanted({}, (), None)


def test_a_folder_is_held_by_one_process_which_others_find(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    with hold(tmp_path) as lock:
        assert holder(tmp_path) == Holder(os.getpid(), ready=False)
        lock.note(ready=True)
        assert holder(tmp_path) == Holder(os.getpid(), ready=True)
        with pytest.raises(FederationError, match=f"process {os.getpid()}.*fairwind down"):
            hold(tmp_path).__enter__()
    assert holder(tmp_path) is None


def test_a_process_that_was_killed_holds_no_folder(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, os, signal; from tasks.local.folder_lock import hold\n"
        "hold(pathlib.Path(sys.argv[1])).__enter__(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert (tmp_path / "up.lock").exists()
    assert holder(tmp_path) is None


def test_what_a_folder_holds_and_what_is_wanted_are_one(tmp_path: Path) -> None:
    first = remember(tmp_path, Wanted({"lyon": "FR", "oslo": "NO-NO1"}, ("heart",), free_port()))
    first.save(tmp_path)
    assert remember(tmp_path, NOTHING) == first
    more = remember(tmp_path, Wanted({"oslo": "NO-NO1", "bergen": "NO-NO5"}, ("brain",), None))
    assert more.sites == ("lyon", "oslo", "bergen")
    assert more.workloads == ("heart", "brain")
    assert (more.page_port, more.redis_port) == (first.page_port, first.redis_port)


def test_a_port_that_was_taken_meanwhile_is_replaced(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        Remembered(redis_port=port, page_port=port).save(tmp_path)
        kept = remember(tmp_path, NOTHING)
    assert port not in {kept.redis_port, kept.page_port}


def test_a_file_that_cannot_be_read_is_one_line_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "federation.json").write_text("{")
    with pytest.raises(SettingError, match="Delete it, and name the sites again"):
        Remembered.of(tmp_path)


def test_sites_are_written_with_their_zones() -> None:
    sites = Sites()
    assert sites.convert("lyon:FR,oslo:NO-NO1", None, None) == {"lyon": "FR", "oslo": "NO-NO1"}
    assert sites.convert("", None, None) == {}
    for wrong in ("lyon", "lyon:", ":FR", "a b/c:FR"):
        with pytest.raises(click.BadParameter, match="names no site and zone"):
            sites.convert(wrong, None, None)


def test_a_site_in_two_zones_is_refused() -> None:
    assert Sites().convert("lyon:FR,lyon:FR", None, None) == {"lyon": "FR"}
    with pytest.raises(click.BadParameter, match="lyon is named in two zones, FR and DE"):
        Sites().convert("lyon:FR,lyon:DE", None, None)


@pytest.mark.parametrize("port", ["0", "-1", "65536"])
@pytest.mark.parametrize("verb", [up, demo])
def test_a_port_that_cannot_be_is_refused(verb: click.Command, port: str) -> None:
    done = CliRunner().invoke(verb, ["--port", port])
    assert done.exit_code == 2
    assert "not in the range 1<=x<=65535" in done.output


@pytest.mark.parametrize("words", [[], ["--keep"]])
def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "file").touch()
    done = CliRunner().invoke(up, ["--folder", str(tmp_path / "file" / "below"), *words])
    assert done.exit_code == 1
    assert done.output.strip().startswith("Error: The system refused a file")
    assert str(tmp_path / "file" / "below") in done.output


def test_sites_that_are_not_added_to_what_runs_already_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "up.log").write_text("what it has printed")
    with hold(tmp_path):
        words = ["--folder", str(tmp_path), "--keep"]
        again = CliRunner().invoke(up, words)
        more = CliRunner().invoke(up, [*words, "--sites", "bergen:NO-NO5"])
    assert (again.exit_code, more.exit_code) == (0, 1)
    assert f"fairwind down --folder {tmp_path}" in again.output
    assert "so no second one was started" in more.output
    assert f"fairwind down --folder {tmp_path}" in more.output
    assert (tmp_path / "logs" / "up.log").read_text() == "what it has printed"


def test_settings_of_the_shell_hold_and_the_folder_adds_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FAIRWIND_DATA", raising=False)
    monkeypatch.setenv("FAIRWIND_PUE", "1.3")
    monkeypatch.setenv("FAIRWIND_CLIENT", "lyon")
    monkeypatch.setenv("FAIRWIND_PARTITION", "far")
    kept = Remembered(sites=("lyon", "oslo"), workloads=("heart",))
    assert settings_of(tmp_path, kept) == {
        "FAIRWIND_CONFIG": "/dev/null",
        "FAIRWIND_HOME": str(tmp_path / "home"),
        "FAIRWIND_PARTITION": "far,lyon,oslo",
        "FAIRWIND_PUE": "1.3",
        "FAIRWIND_WORKLOADS": "digits,breast_cancer,heart",
    }


def test_a_home_and_a_settings_file_of_the_user_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "mine"
    home.mkdir()
    (home / "fairwind.toml").write_text("pue = 1.2\n")
    monkeypatch.setenv("FAIRWIND_HOME", str(home))
    monkeypatch.delenv("FAIRWIND_CONFIG")
    found = settings_of(tmp_path, Remembered())
    assert found["FAIRWIND_HOME"] == str(home)
    assert found["FAIRWIND_CONFIG"] == str(home / "fairwind.toml")


def test_a_site_with_a_settings_file_of_its_own_reads_that_one(tmp_path: Path) -> None:
    own = tmp_path / "sites" / "lyon" / "fairwind.toml"
    own.parent.mkdir(parents=True)
    own.touch()
    assert site_env(tmp_path, ("lyon", "oslo")) == {"lyon": {"FAIRWIND_CONFIG": str(own)}}


def test_redis_is_our_own_where_none_is_named() -> None:
    assert broker_of(Remembered(redis_port=4711)) == (None, 4711)


def test_a_server_of_this_machine_that_is_down_is_replaced_at_its_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = free_port()
    monkeypatch.setenv("FAIRWIND_REDIS_URL", f"redis://127.0.0.1:{port}/0")
    assert broker_of(Remembered(redis_port=4711)) == (None, port)


def test_a_server_of_another_host_that_is_down_is_an_error_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FAIRWIND_REDIS_URL", "redis://:secret@redis.invalid:6379/0")
    settings.load.cache_clear()
    with pytest.raises(BrokerError, match=r"does not answer.*unset FAIRWIND_REDIS_URL") as error:
        broker_of(Remembered())
    assert "secret" not in str(error.value)


def test_the_env_file_is_for_its_owner_alone_and_holds_what_a_shell_needs(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text("left by an earlier one")
    write_env(path, {"FAIRWIND_WATTTIME_PASSWORD": "it's", "PUE": "1", "FAIRWIND_PUE": "1.3"})
    assert path.stat().st_mode & 0o777 == 0o600
    shell = f'. {path}; echo "$FAIRWIND_PUE $FAIRWIND_WATTTIME_PASSWORD $(command -v python)"'
    said = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["1.3", "it's", str(Path(sys.executable).parent / "python")]


def test_a_port_that_was_chosen_and_is_taken_is_refused(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(SettingError, match=f"listens on port {taken}, so Flower cannot"):
            remember(tmp_path, Wanted({}, (), taken))
        with pytest.raises(SettingError, match=f"listens on port {taken}, so Flower cannot"):
            Demo(tmp_path, SIX_GRIDS, rounds=1, port=taken)
