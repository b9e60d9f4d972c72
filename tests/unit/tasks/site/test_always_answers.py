"""Whatever goes wrong between an assignment and its receipt: the site answers, once, with why."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import ValidationError

from common.messages import Assignment, BlobRef, Receipt
from tasks.messaging.transport import FolderTransport
from tasks.site.one_task import TRIES, in_work
from tasks.site.site_files import SiteFiles
from tests.unit.tasks.site.troubled_site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def assert_failed(receipt: Receipt, code: str, text: str) -> None:
    assert (receipt.outcome, receipt.update) == ("failed", None)
    assert receipt.reason is not None
    assert receipt.reason.code == code
    assert text in receipt.reason.text
    assert "\n" not in receipt.reason.text
    # It survives the way: what cannot leave is no answer.
    assert Receipt.model_validate_json(receipt.model_dump_json()) == receipt


@pytest.mark.parametrize(
    ("name", "code", "text"),
    [
        ("exits", "workload_failed", "raised SystemExit: 0"),
        ("interrupted", "site_failed", "KeyboardInterrupt"),
        ("out_of_memory", "workload_failed", "raised MemoryError"),
        ("odd_error", "site_failed", "_OddError: (its text cannot be shown)"),
        ("surrogates", "workload_failed", r"ValueError: \udcff"),
        ("recursive", "workload_failed", "RecursionError"),
        ("too_many", "workload_failed", "returned 41 figures, of which 31 can be kept beside the"),
        ("too_many", "workload_failed", "Leave out 10, for instance metric-31, metric-32, metric-"),
        ("long_name", "workload_failed", "of 65 characters"),
        ("unprintable", "workload_failed", r"the name '\udcff' of 1 characters"),
        ("no_figure", "workload_failed", "a ndarray for confusion, which is no single figure"),
        ("a_list", "workload_failed", "returned a list"),
    ],
)
def test_what_a_workload_does_is_answered_with_its_reason(site, name, code, text):
    receipt = site.answer(name)
    assert_failed(receipt, code, text)
    assert receipt.energy is not None, "what it used is known, and is booked"
    assert [entry.outcome for entry in site.noted()] == ["failed"]
    # The next assignment finds a site as if nothing had been.
    assert site.answer(round=2).outcome == "trained"


def test_as_many_metrics_as_there_is_room_for_are_kept(site):
    receipt = site.answer("many")
    assert receipt.outcome == "trained"
    assert len(receipt.metrics) == 32
    assert receipt.metrics["metric-30"] == 30.0


def test_scalars_of_any_kind_are_figures(site):
    metrics = site.answer("scalars").metrics
    assert metrics.pop("loss") > 0
    assert metrics == {"numpy": 0.5, "torch": 0.25, "array": 2.0, "whole": 3.0, "flag": 1.0}


def test_a_figure_of_none_is_unknown_and_no_failure(site):
    receipt = site.answer("nothing")
    assert receipt.outcome == "trained"
    assert receipt.metrics["accuracy"] is None


def test_a_model_too_large_for_the_memory_is_answered(site):
    huge = BlobRef(key="model", sha256="0" * 64, nbytes=2**50 - 1)
    assert_failed(site.answer(model=huge), "site_failed", "MemoryError")


def test_a_model_that_is_none_is_answered(site, tmp_path):
    assignment = site.assignment()
    path = tmp_path / "no model"
    path.write_bytes(b"\xff" * 64)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    site.transport.put("model", path, sha256)
    ref = BlobRef(key="model", sha256=sha256, nbytes=64)
    receipt = site.executor.answer(assignment.model_copy(update={"model": ref}), lambda *_: None)
    assert_failed(receipt, "workload_failed", "is not whole safetensors")


@pytest.mark.parametrize("path", ["outbox/a", "site/a/task.lock"])
def test_a_home_that_cannot_be_written_is_answered(site, path):
    in_the_way = site.settings.folder / path
    if path == "outbox/a":
        in_the_way.parent.mkdir(parents=True)
        in_the_way.write_text("a file where a folder should be")
    else:
        in_the_way.mkdir(parents=True)
    receipt = site.answer()
    assert_failed(receipt, "disk_failed", "it is to be repaired at the site")
    assert not (site.folder / "wire" / "update~a~r~1").exists()


def test_a_transport_that_takes_nothing_is_answered_with_what_the_training_used(site):
    assignment = site.assignment()
    (site.folder / "wire" / "update~a~r~1").mkdir()
    receipt = site.executor.answer(assignment, lambda *_: None)
    assert_failed(receipt, "disk_failed", "update~a~r~1")
    assert receipt.energy is not None
    # The same work, reported once: it began when the training began.
    assert {entry.started_at for entry in site.noted()} == {receipt.started_at}


class _Broken(FolderTransport):
    """Fails as Redis does."""

    error: redis.RedisError

    def put(self, *_: Any) -> Any:
        raise self.error


@pytest.fixture
def broken(tmp_path: Path) -> Site:
    return Site(tmp_path, _Broken(tmp_path / "wire", 600))


def test_a_refusal_by_redis_is_answered(broken):
    broken.transport.error = redis.ResponseError("NOPERM this user has no permissions")
    assert_failed(broken.answer(), "site_failed", "NOPERM")


@pytest.mark.parametrize("error", [redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError])
def test_while_redis_is_away_the_answer_waits_and_the_training_is_not_repeated(broken, error):
    broken.transport.error = error()
    assignment = broken.assignment()
    with pytest.raises(error):
        broken.executor.answer(assignment, lambda *_: None)
    back = Site(broken.folder)
    receipt = back.executor.answer(assignment.model_copy(update={"attempt": 1}), lambda *_: None)
    assert (receipt.outcome, receipt.attempt) == ("trained", 1)
    assert len({entry.started_at for entry in back.noted()}) == 1


def test_how_celery_ends_a_process_is_no_failure(site, monkeypatch):
    ending = SystemExit(15 - 256)
    monkeypatch.setattr(
        "tests.fakes.troubled.exits._trouble", lambda: (_ for _ in ()).throw(ending)
    )
    with pytest.raises(SystemExit):
        site.answer("exits")


# --- what is no assignment --------------------------------------------------------------------


def misunderstood(site: Site, body: object) -> Receipt | None:
    with pytest.raises(ValidationError) as caught:
        Assignment.model_validate(body)
    return site.executor.not_understood(body, caught.value)


@pytest.mark.parametrize(
    "changes", [{"seed": -1}, {"new_field": 1}, {"hyperparameters": None}, {"model": {}}]
)
def test_an_assignment_of_another_version_is_answered(site, changes):
    body = site.assignment().model_dump(mode="json") | changes
    receipt = misunderstood(site, body)
    assert receipt is not None
    assert_failed(receipt, "other_version", "install the same on both")
    assert receipt.reason is not None
    assert next(iter(changes)) in receipt.reason.text
    assert (receipt.run, receipt.round, receipt.attempt) == ("r", 1, 0)


@pytest.mark.parametrize("body", [None, [], "train", {}, {"run": "r"}])
def test_what_names_no_work_is_dropped(site, body):
    assert misunderstood(site, body) is None


def test_no_site_answers_for_another(site):
    body = site.assignment(client="b").model_dump(mode="json") | {"seed": -1}
    assert misunderstood(site, body) is None


# --- deaths -----------------------------------------------------------------------------------


def die(site: Site, assignment: Assignment) -> None:
    """Leave behind what a process leaves that is killed at work: its lock goes, its note stays."""
    lock = SiteFiles(site.settings, "a").task
    with in_work(lock, assignment):
        left = lock.read_bytes()
    lock.write_bytes(left)


def test_an_assignment_whose_process_died_is_tried_again_and_then_answered(site):
    assignment = site.assignment()
    for _ in range(TRIES):
        die(site, assignment)
    receipt = site.executor.answer(assignment, lambda *_: None)
    assert_failed(receipt, "worker_died", f"died {TRIES} times while it worked on this")
    assert receipt.energy is None, "unknown"
    assert site.answer(round=2).outcome == "trained"


def test_fewer_deaths_leave_no_trace(site):
    assignment = site.assignment()
    for _ in range(TRIES - 1):
        die(site, assignment)
    assert site.executor.answer(assignment, lambda *_: None).outcome == "trained"
    again = site.assignment(round=2)
    for _ in range(TRIES - 1):
        die(site, again)
    assert site.executor.answer(again, lambda *_: None).outcome == "trained"


HANGS = """
import hashlib
from tasks.site import time_limit

time_limit._HARD_S = 0.2
def work():
    hashlib.pbkdf2_hmac("sha256", b"in code", b"that no signal interrupts", 2**31 - 1)

time_limit.within(0.2, work)
"""


def test_a_training_in_code_that_no_signal_interrupts_ends_with_its_process():
    done = subprocess.run(
        [sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert 'File "<string>", line 7 in work' in done.stderr
