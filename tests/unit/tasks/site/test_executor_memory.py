"""A site's work starts from the state that its assignment names, and its receipt names the next."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from common.clock import wall_now
from common.files import file_sha256
from common.messages import BlobRef, MemoryRef, Receipt
from common.settings import Settings, load
from models.serialization import write_state
from models.version import initial_version
from models.workload import load_workload
from tasks.messaging.transport import make_transport
from tasks.site.executor import Executor
from tasks.site.memory import SiteMemory
from tasks.site.site_files import SiteFiles
from tests.unit.tasks.site.test_executor import assignment


class Site:
    """A site that trains digits; started anew for every assignment, as after a crash."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(
            home=folder / "home", transport=f"folder:{folder}/wire", workloads=("digits",)
        )
        self.memory = SiteMemory(SiteFiles(self.settings, "a").memory)
        path = folder / "model"
        write_state(initial_version(load_workload("digits", allowed=("digits",)), 1), path)
        ref = BlobRef(key="model", sha256=file_sha256(path), nbytes=path.stat().st_size)
        self.model = make_transport(self.settings).put("model", path, ref.sha256)

    def answer(self, round_number: int, memory: MemoryRef | None = None, **more: Any) -> Receipt:
        work = assignment(
            round=round_number, memory=memory, model=self.model, encoding="topk:0.02",
            error_feedback=True, valid_until=wall_now() + timedelta(hours=1),
        )  # fmt: skip
        site = Executor("a", "again", self.settings, make_transport(self.settings))
        return site.answer(work.model_copy(update=more), lambda *_: None)

    def forget_answer(self) -> None:
        shutil.rmtree(self.settings.folder / "outbox")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("FAIRWIND_PARTITION", "a,b")
    load.cache_clear()
    return Site(tmp_path)


def left_by(receipt: Receipt) -> MemoryRef:
    assert receipt.memory is not None
    return MemoryRef(sha256=receipt.memory, round=receipt.round)


def gist(receipt: Receipt) -> tuple[str | None, str | None, bool]:
    update = receipt.update.sha256 if receipt.update else None
    return update, receipt.memory, receipt.memory_lost


def test_an_assignment_that_comes_again_has_the_same_answer_from_the_outbox_or_not(site):
    first = left_by(site.answer(1))
    answer = gist(site.answer(2, first))
    assert gist(site.answer(2, first, attempt=1)) == answer
    site.forget_answer()
    assert gist(site.answer(2, first, attempt=2)) == answer
    assert [held.round for held in site.memory.held()] == [1, 2]


def test_what_was_left_out_of_one_update_changes_the_next(site):
    first = left_by(site.answer(1))
    second = gist(site.answer(2, first))
    site.forget_answer()
    assert gist(site.answer(2))[:2] != second[:2]


def test_a_state_that_is_gone_is_an_empty_one_and_the_receipt_says_so(site):
    first = left_by(site.answer(1))
    shutil.rmtree(site.settings.folder / "site" / "a" / "memory")
    lost = gist(site.answer(2, first))
    site.forget_answer()
    assert lost == (*gist(site.answer(2))[:2], True)


def test_nothing_is_remembered_where_nothing_is_lost_or_nobody_wants_it(site):
    assert site.answer(1, encoding="float32", error_feedback=False).memory is None
    assert site.answer(2, error_feedback=False).memory is None
    assert site.memory.held() == []


def test_a_state_that_cannot_be_kept_fails_the_assignment_and_names_the_place(site):
    folder = site.settings.folder / "site" / "a"
    (folder / "memory").mkdir(parents=True)
    (folder / "memory" / "r").touch()  # even root cannot make a folder of it
    receipt = site.answer(1)
    assert receipt.outcome == "failed"
    assert receipt.reason is not None
    assert receipt.reason.code == "disk_failed"
    assert str(folder / "memory" / "r") in receipt.reason.text


def test_a_limit_of_mb_a_day_takes_the_encoding_into_account(site):
    assert site.model.nbytes > 10 * 3000
    site.settings = site.settings.model_copy(update={"site_max_mb_per_day": 3e-3})
    assert site.answer(1).outcome == "trained"
    whole = site.answer(1, run="whole", encoding="float32", error_feedback=False)
    assert whole.outcome == "declined"
    assert whole.energy is not None, "it was trained, and its update is too large to leave"
    assert whole.memory is None
