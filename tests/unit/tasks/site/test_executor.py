"""A site decides for itself what it will not do, and says what the rest has cost."""

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from common.clock import GridClock, wall_now
from common.errors import SettingError
from common.files import file_sha256
from common.hyperparameters import Hyperparameters
from common.messages import Assignment, BlobRef, Receipt
from common.settings import Settings, load
from models.device import CPU, Device
from models.serialization import write_state
from models.version import initial_version
from models.workload import load_workload
from tasks.messaging.transport import FolderTransport, make_transport
from tasks.site.audit import audit
from tasks.site.entry import Answered, Begun, Entry, Received, Sent
from tasks.site.executor import Executor
from tasks.site.journal import Journal
from tasks.site.memory_limit import MemoryIsUp
from tasks.site.receipts import ReceiptMaker
from tasks.site.site_history import tasks_of
from tasks.site.site_policy import SiteState, declined
from tasks.site.site_policy_bounds import Today
from tasks.site.site_policy_in_force import policy_in_force
from tasks.site.time_limit import TimeIsUp
from tasks.site.train import yield_to_others

NOON = datetime(2026, 7, 8, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MIDNIGHT = datetime(2026, 7, 8, tzinfo=UTC)


def assignment(**changes: Any) -> Assignment:
    fields: dict[str, Any] = {
        "run": "r", "round": 1, "client": "a", "attempt": 0, "workload": "digits",
        "hyperparameters": Hyperparameters(), "seed": 7, "clock": GridClock(), "issued_at": NOON,
        "sent_at": NOON,
        "model": BlobRef(key="model", sha256="0" * 64, nbytes=5),
        "valid_until": NOON + timedelta(days=1), "intensity_gco2eq_per_kwh": 150.0,
    }  # fmt: skip
    return Assignment(**(fields | changes))


def code(at: datetime = NOON, changes: dict[str, Any] | None = None, **settings: Any) -> str | None:
    """Return why a site with these settings declines, if it does."""
    reason = declined(policy_in_force(Settings(**settings)), assignment(**(changes or {})), at)
    if reason is None:
        return None
    assert "\n" not in reason.text
    return reason.code


def test_a_site_without_wishes_does_what_it_is_asked():
    assert code() is None


def test_work_is_declined_once_it_is_no_longer_valid():
    until = {"valid_until": NOON}
    assert code(NOON, until) is None
    assert code(NOON + timedelta(seconds=1), until) == "too_late"


def test_a_site_whose_clock_is_known_to_be_ahead_does_not_call_an_assignment_too_late():
    here, work = NOON + timedelta(hours=2), assignment(valid_until=NOON + timedelta(hours=1))
    assert declined(policy_in_force(Settings()), work, here) is not None
    assert (
        declined(policy_in_force(Settings()), work, here, site=SiteState(clock_ahead_s=7200.0))
        is None
    )


def test_how_long_work_took_does_not_depend_on_a_clock_that_is_set_meanwhile():
    before = wall_now() - timedelta(hours=2)  # the clock is set ahead as the work begins
    receipt = ReceiptMaker(assignment(), "i1", before).of("failed")
    assert timedelta(0) <= receipt.ended_at - receipt.started_at < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("ceiling", "intensity", "expected"),
    [
        (150.0, 150.0, None),
        (149.9, 150.0, "above_site_ceiling"),
        (0.0, 0.0, None),
        (1000.0, None, "above_site_ceiling"),  # unknown is not clean
        (None, None, None),
    ],
)
def test_a_site_declines_above_its_own_ceiling(ceiling, intensity, expected):
    changes = {"intensity_gco2eq_per_kwh": intensity}
    assert code(NOON, changes, site_ceiling_gco2eq_per_kwh=ceiling) == expected


@pytest.mark.parametrize(
    ("windows", "hour", "minute", "inside"),
    [
        (("09:00-17:00",), 9, 0, True),
        (("09:00-17:00",), 16, 59, True),
        (("09:00-17:00",), 17, 0, False),
        (("09:00-17:00",), 8, 59, False),
        (("22:00-06:00",), 22, 0, True),
        (("22:00-06:00",), 23, 59, True),
        (("22:00-06:00",), 0, 0, True),
        (("22:00-06:00",), 5, 59, True),
        (("22:00-06:00",), 6, 0, False),
        (("22:00-06:00",), 21, 59, False),
        (("01:00-02:00", "03:00-04:00"), 3, 30, True),
        (("01:00-02:00", "03:00-04:00"), 2, 30, False),
    ],
)
def test_a_site_trains_within_its_windows_also_overnight(windows, hour, minute, inside):
    at = MIDNIGHT.replace(hour=hour, minute=minute)
    assert code(at, site_windows=windows) == (None if inside else "outside_site_windows")


def test_windows_are_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("FAIRWIND_SITE_WINDOWS", "22:00-06:00, 12:00-13:00")
    assert declined(policy_in_force(Settings()), assignment(), NOON) is None
    reason = declined(policy_in_force(Settings()), assignment(), NOON + timedelta(hours=2))
    assert reason is not None
    assert reason.text == "outside its hours 22:00-06:00, 12:00-13:00 UTC; it is 14:00"
    assert reason.not_before == NOON + timedelta(hours=10)


@pytest.mark.parametrize(
    "window",
    ["night", "22:00", "22-06", "22:00-25:00", "22:00-06:00-07:00", "-", "22:00\u201306:00"],
)
def test_a_window_that_is_none_is_refused_by_name(window):
    with pytest.raises(SettingError, match="Write it as 22:00-06:00") as caught:
        code(NOON, site_windows=(window,))
    assert repr(window) in str(caught.value)


@given(minute=st.integers(0, 1439), start=st.integers(0, 1439), span=st.integers(1, 1439))
def test_a_window_and_the_rest_of_the_day_are_the_whole_day(minute, start, span):
    def clock(total: int) -> str:
        return f"{total // 60 % 24:02}:{total % 60:02}"

    end = start + span
    at = MIDNIGHT + timedelta(minutes=minute)
    window, rest = f"{clock(start)}-{clock(end)}", f"{clock(end)}-{clock(start)}"
    one = code(at, site_windows=(window,)) is None
    other = code(at, site_windows=(rest,)) is None
    assert one != other
    assert one == ((minute - start) % 1440 < span)
    assert code(at, site_windows=(window, rest)) is None


def test_a_window_is_checked_against_the_sites_own_clock():
    ahead = GridClock(wall_start=NOON, grid_start=NOON + timedelta(hours=12))
    tricked = {"clock": ahead, "valid_until": NOON + timedelta(days=9)}
    assert code(NOON, tricked, site_windows=("22:00-06:00",)) == "other_clock"
    opted_in = {"site_windows": ("22:00-06:00",), "site_clock": "assigned"}
    assert code(NOON, tricked, **opted_in) is None
    assert code(NOON, {"clock": GridClock()}, **opted_in) == "outside_site_windows"


@given(minute=st.integers(0, 1439), start=st.integers(0, 1439), span=st.integers(1, 1439))
def test_a_site_outside_its_hours_names_the_time_at_which_they_begin(minute, start, span):
    end = (start + span) % 1440
    window = f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    at = MIDNIGHT + timedelta(minutes=minute, seconds=7)
    reason = declined(policy_in_force(Settings(site_windows=(window,))), assignment(), at)
    if reason is not None:
        assert reason.not_before is not None
        assert at < reason.not_before < at + timedelta(days=1)
        assert reason.not_before.hour * 60 + reason.not_before.minute == start
        tomorrow = {"valid_until": NOON + timedelta(days=9)}
        assert code(reason.not_before, tomorrow, site_windows=(window,)) is None


def test_a_paused_site_declines_whatever_it_is_asked():
    reason = declined(
        policy_in_force(Settings()), assignment(), NOON, site=SiteState(paused_since=MIDNIGHT)
    )
    assert reason is not None
    assert (reason.code, reason.not_before) == ("paused", None)
    assert reason.text == "paused by its administrator since 2026-07-08 00:00 UTC"


@pytest.mark.parametrize(
    ("sent", "update", "expected"),
    [
        (0, 1_000_000, None),
        (600_000, 400_000, None),
        (600_000, 400_001, "over_daily_mb"),
        (0, 1_000_001, "over_daily_mb"),
    ],
)
def test_a_site_sends_no_more_a_day_than_its_limit(sent, update, expected):
    ours, site = (
        Settings(site_max_mb_per_day=1),
        SiteState(today=Today(sent_nbytes=sent, update_nbytes=update)),
    )
    reason = declined(policy_in_force(ours), assignment(), NOON, site=site)
    assert (reason.code if reason else None) == expected
    if reason is not None:
        assert reason.not_before == MIDNIGHT + timedelta(days=1)
    # A score of the pulled model sends no update.
    assert declined(policy_in_force(ours), assignment(evaluates=True), NOON, site=site) is None


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A site that trains breast_cancer, counts 100 W, and dials a folder."""
    ours = Settings(
        home=tmp_path / "home", transport=f"folder:{tmp_path}/wire", workloads=("breast_cancer",),
        meter="constant", constant_w=100.0, idle_w=10.0, pue=1.5,
    )  # fmt: skip
    monkeypatch.setenv("FAIRWIND_PARTITION", "a,b")
    load.cache_clear()
    yield Executor("a", "first", ours, make_transport(ours))
    load.cache_clear()


def work(site: Executor, path: Path, **changes: Any) -> Receipt:
    """Let a site answer an assignment whose model lies in the transport."""
    write_state(
        initial_version(load_workload("breast_cancer", allowed=("breast_cancer",)), 1), path
    )
    sha256 = file_sha256(path)
    site._transport.put("model", path, sha256)
    model = BlobRef(key="model", sha256=sha256, nbytes=path.stat().st_size)
    fields = {"workload": "breast_cancer", "model": model, "valid_until": wall_now() + HOUR}
    return site.answer(assignment(**(fields | changes)), lambda *_: None)


def test_a_receipt_says_what_the_work_used_and_how_long_the_site_had_waited(site, tmp_path):
    receipt = work(site, tmp_path / "model")
    assert receipt.outcome == "trained"
    energy = receipt.energy
    assert energy is not None
    assert (energy.method, energy.pue) == ("constant", 1.5)
    # The same seconds as the receipt's, at 100 W times 1.5: 24 s are 1 Wh.
    seconds = (receipt.ended_at - receipt.started_at).total_seconds()
    assert 0 < energy.energy_wh <= seconds / 24
    assert energy.idle_s is not None
    assert energy.idle_wh == pytest.approx(energy.idle_s * 10 * 1.5 / 3600)


def test_a_device_that_cannot_compute_in_a_runs_precision_declines_and_says_why(site, tmp_path):
    turing = Device(CPU.torch, "Tesla T4", {"bf16": "it has compute capability 7.5"})
    cannot = Executor("a", "first", site._settings, site._transport, device=turing)
    bf16 = Hyperparameters(precision="bf16")
    receipt = work(cannot, tmp_path / "model", hyperparameters=bf16)
    assert receipt.outcome == "declined"
    assert receipt.reason is not None
    assert receipt.reason.code == "precision_unfit"
    assert receipt.reason.text == (
        "its device, Tesla T4, cannot train in bf16: it has compute capability 7.5; start a run "
        "with another --precision, or set FAIRWIND_DEVICE=cpu there"
    )
    # It can score the model, which is done in float32, and train in what it can.
    scored = work(cannot, tmp_path / "model", hyperparameters=bf16, evaluates=True)
    assert scored.outcome == "evaluated"
    assert work(cannot, tmp_path / "model").outcome == "trained"
    assert work(site, tmp_path / "model", round=2, hyperparameters=bf16).outcome == "trained"


def journal(site: Executor) -> list[Entry]:
    """Return what the site did; that an assignment came is left out."""
    entries = Journal(site._settings.folder / "site" / "a").read(since=wall_now())
    return [entry for entry in entries if not isinstance(entry, Received)]


def test_what_leaves_is_in_the_journal_before_it_leaves(site, tmp_path):
    receipt = work(site, tmp_path / "model")
    begun, answered, sent = journal(site)
    assert isinstance(begun, Begun)
    assert isinstance(answered, Answered)
    assert isinstance(sent, Sent)
    assert begun.at == answered.started_at == receipt.started_at
    assert answered.energy == receipt.energy
    assert receipt.update is not None
    assert (sent.nbytes, sent.sha256) == (receipt.update.nbytes, receipt.update.sha256)
    (task,) = tasks_of(journal(site))
    assert task.energy_wh is not None
    assert task.gco2eq == pytest.approx(task.energy_wh * 0.150)


def test_an_answer_from_the_outbox_is_sent_again_but_is_the_same_work(site, tmp_path):
    first = work(site, tmp_path / "model")
    (tmp_path / "wire" / "update~a~r~1").unlink()
    second = work(site, tmp_path / "model", attempt=1)
    assert first.started_at == second.started_at
    (task,) = tasks_of(journal(site))
    assert first.update is not None
    assert task.sent_nbytes == 2 * first.update.nbytes


def test_an_answer_whose_bytes_are_there_is_neither_sent_nor_counted_again(site, tmp_path):
    first = work(site, tmp_path / "model")
    assert first.update is not None
    just_enough = limited(site, site_max_mb_per_day=1.5 * first.update.nbytes / 1e6)
    second = work(just_enough, tmp_path / "model", attempt=1)
    assert (second.outcome, second.update) == ("trained", first.update)
    (task,) = tasks_of(journal(site))
    assert task.sent_nbytes == first.update.nbytes


def test_work_that_cannot_be_recorded_is_declined(site, tmp_path):
    folder = site._settings.folder / "site" / "a"
    folder.mkdir(parents=True)
    (folder / f"{wall_now():%Y-%m}.jsonl").mkdir()  # even root cannot append to a folder
    receipt = work(site, tmp_path / "model")
    assert (receipt.outcome, receipt.update) == ("declined", None)
    assert receipt.energy is None, "nothing was trained for nothing"
    assert receipt.reason is not None
    assert receipt.reason.code == "not_recorded"
    assert "cannot be written (Is a directory: " in receipt.reason.text
    assert not (tmp_path / "wire" / "update~a~r~1").exists()


def test_nothing_leaves_where_it_cannot_be_recorded(site, tmp_path):
    path = site._settings.folder / "site" / "a" / f"{wall_now():%Y-%m}.jsonl"
    aside = path.with_suffix(".aside")

    class TakesTheTrail(FolderTransport):
        """Nothing can be appended to the trail any more once an update is about to leave."""

        def has_some(self, ref: BlobRef) -> bool:
            if ref.key.startswith("update"):
                path.rename(aside)
                path.mkdir()
            return super().has_some(ref)

    broken = Executor("a", "first", site._settings, TakesTheTrail(tmp_path / "wire", 600))
    receipt = work(broken, tmp_path / "model")
    assert (receipt.outcome, receipt.update) == ("failed", None)
    assert receipt.reason is not None
    assert receipt.reason.text.startswith(f"Is a directory: {path}")
    assert not (tmp_path / "wire" / "update~a~r~1").exists()
    path.rmdir()
    aside.rename(path)
    # Now the trail goes on, and the answer that was kept leaves.
    assert work(site, tmp_path / "model", attempt=1).outcome == "trained"
    assert audit(Journal(path.parent).lines()).fault is None


def limited(site: Executor, **limits: float) -> Executor:
    ours = site._settings.model_copy(update=limits)
    return Executor("a", "second", ours, make_transport(ours))


def test_an_update_that_is_larger_than_expected_is_kept_back(site, tmp_path):
    small = limited(site, site_max_mb_per_day=0.0001)
    receipt = work(small, tmp_path / "model")
    assert receipt.outcome == "declined"
    assert receipt.energy is None, "the model's size alone says that it is too much"
    # The same again where the last update of this workload is thought to have been small.
    ended = {"started_at": NOON, "ended_at": NOON, "energy": None, "reason": None}
    Journal(small._settings.folder / "site" / "a").append(
        Answered(
            run="q", round=1, attempt=0, workload="breast_cancer", outcome="trained",
            intensity_gco2eq_per_kwh=None, update_nbytes=10, **ended,
        )
    )  # fmt: skip
    receipt = work(small, tmp_path / "model")
    assert (receipt.outcome, receipt.update) == ("declined", None)
    assert receipt.energy is not None
    assert receipt.reason is not None
    assert receipt.reason.code == "over_daily_mb"
    assert not (tmp_path / "wire" / "update~a~r~1").exists()
    assert [entry for entry in journal(small) if isinstance(entry, Sent)] == []


def test_what_was_sent_today_counts_against_tomorrow_no_more(site, tmp_path):
    receipt = work(site, tmp_path / "model")
    assert receipt.update is not None
    once_and_a_half = limited(site, site_max_mb_per_day=1.5 * receipt.update.nbytes / 1e6)
    again = work(once_and_a_half, tmp_path / "model", round=2)
    assert again.reason is not None
    assert again.reason.code == "over_daily_mb"


def test_a_training_is_stopped_at_the_sites_longest_time_and_the_next_is_whole(site, tmp_path):
    short = limited(site, site_max_training_s=0.3)
    endless = Hyperparameters(epochs=10_000)
    receipt = work(short, tmp_path / "model", hyperparameters=endless)
    assert (receipt.outcome, receipt.update) == ("failed", None)
    assert receipt.reason is not None
    assert receipt.reason.code == "too_long"
    assert receipt.reason.text == "stopped after 0.3 s, the longest training that this site allows"
    assert receipt.energy is not None
    after = work(limited(site, site_max_training_s=60.0), tmp_path / "model")
    fresh = work(site, tmp_path / "model", round=1, attempt=1)
    assert after.update is not None
    assert fresh.update is not None
    assert after.update.sha256 == fresh.update.sha256


@pytest.mark.parametrize("fault", [TimeIsUp, MemoryIsUp])
def test_a_training_counts_even_if_its_flops_cannot_be_counted_in_time(
    site, tmp_path, monkeypatch, fault
):
    def stop(*_: object) -> NoReturn:
        raise fault

    monkeypatch.setattr(FlopCounterMode, "__enter__", stop)
    receipt = work(site, tmp_path / "model")
    assert (receipt.outcome, receipt.flops_per_example) == ("trained", None)


def test_a_site_that_sets_no_limit_stops_a_training_after_a_day(site, tmp_path, monkeypatch):
    alarms = []

    def look(*_: object, **__: object) -> NoReturn:
        alarms.append(signal.getitimer(signal.ITIMER_REAL)[0])
        raise TimeIsUp

    monkeypatch.setattr(torch.optim.SGD, "step", look)
    receipt = work(site, tmp_path / "model")
    assert timedelta(hours=23) < timedelta(seconds=alarms[0]) <= timedelta(hours=24)
    assert receipt.reason is not None
    assert receipt.reason.text == "stopped after 1 d, the longest training that this site allows"


def interrupted(*_: object, **__: object) -> NoReturn:
    """Stop where an optimizer's step has switched off gradients, as an alarm may."""
    torch.set_grad_enabled(mode=False)
    torch.set_default_dtype(torch.float64)
    raise TimeIsUp


def test_a_training_that_is_stopped_within_a_step_leaves_torch_as_it_was(
    site, tmp_path, monkeypatch
):
    before = work(site, tmp_path / "model")
    with monkeypatch.context() as patched:
        patched.setattr(torch.optim.SGD, "step", interrupted)
        stopped = work(site, tmp_path / "model", round=2)
    assert stopped.reason is not None
    assert stopped.reason.code == "too_long"
    after = work(site, tmp_path / "model", round=1, attempt=1)
    assert before.update is not None
    assert after.update is not None
    assert after.update.sha256 == before.update.sha256


def test_a_site_yields_to_others_and_never_takes_back_what_it_yielded():
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as other:
        before = other.submit(os.getpriority, os.PRIO_PROCESS, 0).result()
        for nice, expected in ((before + 3, before + 3), (before, before + 3)):
            other.submit(yield_to_others, nice).result()
            assert other.submit(os.getpriority, os.PRIO_PROCESS, 0).result() == expected


def test_work_that_failed_says_what_it_used(site, tmp_path):
    receipt = work(site, tmp_path / "model", workload="not.allowed")
    assert receipt.outcome == "failed"
    assert receipt.energy is not None
    assert receipt.energy.energy_wh > 0


def test_work_that_was_declined_used_nothing_worth_a_figure(site, tmp_path):
    receipt = work(site, tmp_path / "model", valid_until=NOON - timedelta(days=300))
    assert receipt.outcome == "declined"
    assert receipt.energy is None
