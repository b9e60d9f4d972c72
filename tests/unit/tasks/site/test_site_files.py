"""A pause outlives processes; a lock ends with the process that holds it."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from common.errors import SettingError
from common.settings import Settings
from tasks.site.site_files import SiteFiles, find_client, held, hold, is_held
from tasks.site.time_limit import TimeIsUp, time_limit

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

    with pytest.raises(TimeIsUp), time_limit(0.05):
        stubborn()
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_work_within_its_time_is_left_alone():
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(60.0):
        pass
    with time_limit(None):
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    assert signal.getsignal(signal.SIGALRM) is before
