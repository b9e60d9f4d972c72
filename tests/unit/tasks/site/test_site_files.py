"""A pause outlives processes; a lock ends with the process that holds it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from multiprocessing import active_children, get_context
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset

from common.errors import SettingError
from common.hyperparameters import Hyperparameters
from common.settings import Settings
from models.training import Trainer
from models.version import initial_version
from tasks.site.site_files import SiteFiles, find_client, held, hold, is_held
from tasks.site.time_limit import TimeIsUp, within

HOLD = """
import sys, time
from pathlib import Path
from tasks.site.site_files import hold
assert hold(Path(sys.argv[1])) is not None
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def ours(tmp_path):
    return Settings(home=tmp_path)


@pytest.fixture
def files(ours):
    made = SiteFiles(ours, "lyon")
    made.folder.mkdir(parents=True)
    return made


def test_a_pause_is_a_file_that_stays_until_it_is_ended(files, ours):
    assert files.paused_since is None
    assert files.pause()
    since = SiteFiles(ours, "lyon").paused_since
    assert since is not None
    assert abs((datetime.now(UTC) - since).total_seconds()) < 60
    assert not files.pause()
    assert files.paused_since == since
    assert files.resume()
    assert files.paused_since is None
    assert not files.resume()


def test_a_file_that_an_administrator_made_is_a_pause(files):
    (files.folder / "paused").touch()
    assert files.paused_since is not None


def test_a_process_that_loads_data_does_not_hold_the_task_with_the_one_that_trains(files):
    child = get_context("fork").Process(target=time.sleep, args=(60,), daemon=True)
    with held(files.task):
        child.start()
        assert is_held(files.task)
    before = time.monotonic()
    while is_held(files.task) and time.monotonic() < before + 10:
        time.sleep(0.01)  # the child has just begun
    assert child.is_alive()
    assert not is_held(files.task)
    child.kill()
    child.join()


class Slow(IterableDataset[Any]):
    def __len__(self):
        return 4

    def __iter__(self):
        while True:
            time.sleep(1)
            yield torch.ones(3), torch.ones(1)


def test_a_time_limit_ends_the_processes_that_load_data_too():
    workload = SimpleNamespace(
        model=lambda: torch.nn.Linear(3, 1), train_data=lambda _: Slow(), test_data=lambda: None,
        loss=torch.nn.functional.mse_loss, metrics=lambda _outputs, _targets: {},
        loader=lambda data, size, _: DataLoader(data, size, num_workers=2),
    )  # fmt: skip
    trainer, base = Trainer(workload, "a"), initial_version(workload, 1)
    endless = Hyperparameters(epochs=100)
    with pytest.raises(TimeIsUp):
        within(0.5, lambda: trainer.train(base, hyperparameters=endless, seed=1))
    assert active_children() == []


def test_a_lock_ends_with_its_process_however_that_ends(files):
    assert not is_held(files.worker)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(files.worker)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert is_held(files.worker)
        assert hold(files.worker) is None
        holder.send_signal(signal.SIGKILL)
    assert not is_held(files.worker)
    descriptor = hold(files.worker)
    assert descriptor is not None
    os.close(descriptor)


def test_a_lock_ends_with_its_block(files):
    with held(files.task):
        assert is_held(files.task)
    assert not is_held(files.task)


def test_the_only_site_need_not_be_named(files, ours):
    assert find_client(ours, None) == find_client(ours, "lyon") == "lyon"


def test_a_site_that_is_not_here_is_refused_by_name(files, ours):
    with pytest.raises(SettingError, match=r"are lyon, and 'lyom' is none of them"):
        find_client(ours, "lyom")


def test_one_of_several_sites_must_be_named(files, ours):
    SiteFiles(ours, "oslo").folder.mkdir()
    with pytest.raises(SettingError, match="are lyon, oslo, and none of them was named"):
        find_client(ours, None)
    assert find_client(ours, "oslo") == "oslo"


def test_where_no_worker_has_run_there_is_nothing(ours):
    with pytest.raises(SettingError, match=r"No site's worker has run in .* yet"):
        find_client(ours, "lyon")


def test_time_is_up_in_the_middle_of_a_loop_that_catches_every_exception():
    def stubborn() -> None:
        while True:
            with suppress(Exception):  # what a workload may do
                sum(range(1000))

    signal.setitimer(signal.ITIMER_REAL, 0)
    with pytest.raises(TimeIsUp):
        within(0.05, stubborn)
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_work_within_its_time_is_left_alone():
    before = signal.getsignal(signal.SIGALRM)
    assert within(60.0, lambda: signal.getitimer(signal.ITIMER_REAL)[0]) > 0
    assert signal.getsignal(signal.SIGALRM) is before


def test_an_alarm_that_was_set_before_rings_as_if_there_had_been_no_limit():
    signal.setitimer(signal.ITIMER_REAL, 200.0)
    assert within(60.0, lambda: signal.getitimer(signal.ITIMER_REAL)[0]) <= 60.0
    assert 60.0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 200.0
