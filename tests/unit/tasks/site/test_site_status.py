"""What a site's administrator is shown, from the files that a worker leaves."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from common.clock import wall_now
from common.messages import Energy, Reason
from common.settings import Settings
from tasks.cli import fairwind
from tasks.site.entry import Answered, Begun, Entry, Sent
from tasks.site.journal import Journal
from tasks.site.site_approvals import SiteApprovals
from tasks.site.site_clock import SiteClock
from tasks.site.site_files import SiteFiles, find_client, held
from tasks.site.site_status import SiteStatus, site_status
from tasks.site.worker_state import WorkerLock, WorkerState

NOON = datetime(2026, 7, 8, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def ours(tmp_path):
    return Settings(
        home=tmp_path, site_windows=("22:00-06:00",), site_ceiling_gco2eq_per_kwh=300,
        site_max_mb_per_day=100, site_max_training_s=1200, nice=10, gpu="none", threads=4,
    )  # fmt: skip


@pytest.fixture
def worker(ours) -> Iterator[WorkerLock]:
    lock = WorkerLock(ours, SiteFiles(ours, "lyon"))
    lock.take()
    assert WorkerState.last(SiteFiles(ours, "lyon")) is not None
    yield lock
    lock.leave_to_parent()


def task(ended_at: datetime, number: int = 1, **changes: Any) -> list[Entry]:
    """Return the entries of a task of 2 Wh at 50 g/kWh that sent 39 kB."""
    began, about = ended_at - timedelta(minutes=1), {"run": "heart-1", "round": number}
    fields: dict[str, Any] = {
        "attempt": 0, "workload": "w", "outcome": "trained", "started_at": began,
        "energy": Energy(energy_wh=2.0, method="rapl", quality="shared", pue=1.0), "reason": None,
        "ended_at": ended_at, "intensity_gco2eq_per_kwh": 50.0, "update_nbytes": 39_000,
    }  # fmt: skip
    sent = Sent(at=ended_at, nbytes=39_000, sha256="0" * 64, **about)
    begun = Begun(at=began, attempt=0, workload="w", **about)
    answered = Answered(**(about | fields | changes))
    return [begun, answered, sent] if answered.outcome == "trained" else [answered]


def keep(ours: Settings, *entries: Entry, at: datetime = NOON) -> None:
    journal = Journal(SiteFiles(ours, "lyon").folder)
    for entry in entries:
        journal.append(entry, at=at)


def seen(ours: Settings, now: datetime = NOON) -> SiteStatus:
    return site_status(ours, "lyon", now)


def test_what_a_site_remembers_is_listed(ours):
    header = json.dumps(
        {
            "error_feedback/w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
            "personal/b": {"dtype": "F32", "shape": [1], "data_offsets": [8, 12]},
        }
    ).encode()
    folder = SiteFiles(ours, "lyon").memory / "heart-1"
    folder.mkdir(parents=True)
    state = len(header).to_bytes(8, "little") + header + bytes(12)
    (folder / f"0000000007-{'a' * 64}.safetensors").write_bytes(state)
    printed = shown(ours, "status")
    assert "heart-1       error feedback, personal  7" in printed, printed
    (listed,) = json.loads(shown(ours, "status", "--json"))["memory"]
    assert (listed["run"], listed["round"]) == ("heart-1", 7)
    assert listed["kinds"] == ["error_feedback", "personal"]


def test_a_site_whose_worker_ended_says_how_to_start_it_and_what_limits_it_had(ours):
    lock = WorkerLock(ours, SiteFiles(ours, "lyon"))
    lock.take()
    lock.leave_to_parent()
    status = seen(Settings(home=ours.home))
    assert status.state == "not running"
    assert status.sentence == (
        "The worker of lyon is not running. Start it: celery -A tasks worker --client lyon"
    )
    assert status.limits.site_windows == ("22:00-06:00",)
    assert "the limits below are those of the last one" in shown(ours, "status")


def test_a_site_waits_for_its_hours_and_for_an_assignment(ours, worker):
    assert seen(ours).sentence == "lyon is idle: outside its hours until 22:00 UTC."
    assert seen(ours, NOON + 10 * HOUR).sentence == "lyon is idle: it waits for an assignment."


def test_a_site_at_which_a_workload_waits_for_approval_says_how_to_approve_it(ours, worker):
    night = NOON + 10 * HOUR
    approvals = SiteApprovals(SiteFiles(ours, "lyon").folder)
    approvals.note("heart", f"sha256:{'a' * 64}", run="heart-1", now=night)
    assert seen(ours, night).sentence == (
        "lyon is idle: heart waits for your approval. To approve: fairwind site approve heart"
    )
    approvals.note("digits", f"sha256:{'b' * 64}", run="digits-1", now=night)
    assert "heart and 1 more wait for your approval" in seen(ours, night).sentence
    assert json.loads(shown(ours, "status", "--json"))["waiting_for_approval"] == [
        "heart", "digits",
    ]  # fmt: skip


def test_a_site_in_work_says_on_what_and_since_when(ours, worker):
    keep(ours, Begun(at=NOON, run="heart-1", round=3, attempt=0, workload="w"))
    assert seen(ours, NOON + HOUR).state == "idle", "the lock says that nobody works on it"
    with held(SiteFiles(ours, "lyon").task):
        status = seen(ours, NOON + HOUR)
    assert status.state == "training"
    assert status.sentence == "lyon works on heart-1 round 3 since 12:00 UTC (1 h)."


def test_a_paused_site_says_how_to_go_on(ours, worker):
    SiteFiles(ours, "lyon").pause()
    status = seen(ours)
    assert status.state == "paused"
    assert status.sentence.endswith("; to go on: fairwind site resume")


def test_today_and_this_month_are_of_the_utc_calendar(ours, worker):
    keep(ours, *task(NOON.replace(month=6, day=30), 1), at=NOON.replace(month=6, day=30))
    keep(ours, *task(NOON.replace(day=1, hour=0, minute=1), 2), *task(NOON, 3))
    status = seen(ours, NOON + HOUR)
    assert (status.today.trained, status.month.trained) == (1, 2)
    assert (status.today.energy_wh, status.month.energy_wh) == (2.0, 4.0)
    assert status.month.gco2eq == pytest.approx(0.2)
    assert (status.today.sent_nbytes, status.month.sent_nbytes) == (39_000, 78_000)
    assert status.intensity == (50.0, NOON)


def shown(ours: Settings, *args: str) -> str:
    env = {"FAIRWIND_HOME": str(ours.folder)}
    done = CliRunner(env=env).invoke(fairwind, ["site", *args])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_status_shows_figures_with_units_reasons_and_limits(ours, worker):
    now = wall_now()
    refused = Reason(code="outside_site_windows", text="-")
    declined = {"outcome": "declined", "energy": None, "update_nbytes": None, "reason": refused}
    keep(ours, *task(now, 1), *task(now, 2, **declined), at=now)
    text = shown(ours, "status")
    lines = [line.split() for line in text.splitlines()]
    assert ["energy", "2", "Wh", "2", "Wh"] in lines
    assert ["emissions", "100", "mgCO2eq", "100", "mgCO2eq"] in lines
    assert ["sent", "39", "kB", "39", "kB"] in lines
    assert ["declined", "1", "1"] in lines
    assert "Reasons this month: outside its hours 1" in text
    assert ["ceiling", "300", "gCO2eq/kWh;", "last", "known", "50", "gCO2eq/kWh"] in lines
    for limit in ("22:00-06:00 UTC", "20 min at most", "100 MB a day at most"):
        assert limit in text
    assert ["processor", "4", "threads,", "nice", "10"] in lines
    assert ["GPU", "none"] in lines


def test_what_is_unknown_is_shown_as_unknown(ours, worker):
    now = wall_now()
    keep(ours, *task(now, 1, energy=None), at=now)
    keep(ours, *task(now, 2, intensity_gco2eq_per_kwh=None), at=now)
    text = shown(ours, "status")
    assert "2 Wh and 1 unknown" in text
    assert "0 gCO2eq and unknown of 2 Wh" in text
    (first, second) = json.loads(shown(ours, "history", "--json"))
    assert (first["energy_wh"], second["gco2eq"]) == (None, None)


def test_history_lists_the_last_days_alone(ours, worker):
    now = wall_now()
    keep(ours, *task(now - timedelta(days=3), 1), *task(now, 2), at=now)
    assert [row["round"] for row in json.loads(shown(ours, "history", "--json"))] == [1, 2]
    assert [row["round"] for row in json.loads(shown(ours, "history", "--days=1", "--json"))] == [2]
    assert shown(ours, "history", "--days=1").splitlines()[1].split()[2:5] == [
        "heart-1", "2", "trained",
    ]  # fmt: skip


@contextmanager
def another_user(folder: Path) -> Iterator[None]:
    """Become a user that may not read the folder, or close it where that is not possible."""
    folder.chmod(0o700)
    if os.geteuid() == 0:
        os.seteuid(65_534)
    else:
        folder.chmod(0)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        folder.chmod(0o700)


@pytest.mark.parametrize("verb", ["status", "history", "egress", "pause", "resume"])
def test_another_user_is_refused_in_one_line(verb, ours, worker):
    shown(ours, "status")  # what a verb imports is read while it can be
    env = {"FAIRWIND_HOME": str(ours.folder), "FAIRWIND_CONFIG": os.devnull}
    with another_user(ours.folder):
        done = CliRunner(env=env).invoke(fairwind, ["site", verb])
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: This user may not use ")
    assert done.stderr.endswith("the user of the site's worker, for instance with sudo -u.\n")


@pytest.mark.parametrize(
    ("name", "verb"),
    [
        ("paused", "resume"), ("worker.json", "status"), ("2026-01.jsonl", "history"),
    ],
)  # fmt: skip
def test_a_folder_where_a_file_should_be_is_one_line(name, verb, ours, monkeypatch):
    (SiteFiles(ours, "lyon").folder / name).mkdir(parents=True)
    monkeypatch.setenv("FAIRWIND_HOME", str(ours.folder))
    monkeypatch.setattr("tasks.cli.site.wall_now", lambda: datetime(2026, 1, 15, tzinfo=UTC))
    done = CliRunner().invoke(fairwind, ["site", verb])
    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: {SiteFiles(ours, 'lyon').folder / name} cannot be used")
    assert "so nothing was done" in done.stderr


def test_a_stray_file_is_no_site(ours):
    folder = SiteFiles(ours, "lyon").folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder.parent / "notes.txt").touch()
    assert find_client(ours, None) == "lyon"


def test_a_site_that_has_sent_nothing_says_so_in_one_line(ours, worker):
    env = {"FAIRWIND_HOME": str(ours.folder)}
    done = CliRunner(env=env).invoke(fairwind, ["site", "egress"])
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: lyon keeps no update, so there is nothing to show")


def test_a_clock_that_differs_is_shown_until_it_is_right_again(ours, worker):
    clock = SiteClock(SiteFiles(ours, "lyon"))
    clock.note(2.0)
    assert seen(ours).clock_ahead_s == 0.0
    clock.note(-7200.0)
    assert seen(ours).clock_ahead_s == seen(ours).to_dict()["clock_ahead_s"] == -7200.0
    shown = CliRunner().invoke(
        fairwind, ["site", "status"], env={"FAIRWIND_HOME": str(ours.home)}
    ).stdout  # fmt: skip
    assert (
        "The clock of this machine is 2 h behind, compared with that of Redis, so the site's own "
        "hours and days begin at the wrong time. Set it right: timedatectl set-ntp true"
    ) in shown
    clock.note(0.5)
    assert seen(ours).clock_ahead_s == 0.0
