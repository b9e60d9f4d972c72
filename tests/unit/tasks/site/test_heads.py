"""A site keeps the heads of the coordinator's ledger, and sees where they contradict each other."""

from datetime import UTC, datetime, timedelta

import pytest
import structlog

from common.ledger_head import LedgerHead, read_heads
from common.settings import Settings
from tasks.site.heads import keep_head
from tasks.site.site_files import SiteFiles

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def files(tmp_path):
    return SiteFiles(Settings(home=tmp_path), "lyon")


def head(seq: int, *, digit: str = "a", ledger: str = "1", after_s: float = 0) -> LedgerHead:
    at = AT + timedelta(seconds=after_s)
    return LedgerHead(ledger=ledger * 64, seq=seq, hash=digit * 64, at=at)


def logged(files: SiteFiles, *heads: LedgerHead | None) -> list[str]:
    with structlog.testing.capture_logs() as lines:
        for each in heads:
            keep_head(files, each)
    return [line["event"] for line in lines]


def test_heads_are_kept_one_file_a_ledger(files):
    first, second, other = head(3), head(5, digit="b"), head(2, ledger="2")
    assert logged(files, first, second, other, None) == []
    assert read_heads(files.heads / f"{'1' * 16}.jsonl") == [first, second]
    assert read_heads(files.heads / f"{'2' * 16}.jsonl") == [other]


@pytest.mark.parametrize(
    "then", [head(5, digit="b", after_s=3600), head(3, after_s=3600)], ids=["rewritten", "cut off"]
)
def test_a_ledger_that_was_cut_off_or_rewritten_is_logged(files, then):
    assert logged(files, head(5), then) == ["ledger.contradicts_itself"]
    assert read_heads(files.heads / f"{'1' * 16}.jsonl") == [head(5), then], "both are kept"


def test_an_assignment_that_overtook_another_accuses_nobody(files):
    assert logged(files, head(5, after_s=1), head(4, digit="b"), head(5, after_s=2)) == []


def test_a_disk_that_takes_nothing_stops_no_work(files):
    files.folder.mkdir(parents=True)
    files.heads.write_text("no folder")
    assert logged(files, head(1)) == ["head.not_kept"]
