"""A snapshot spares folding, is never believed where it does not fit, and can always be deleted."""

import json
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from common.clock import GridClock
from common.errors import LedgerError
from scheduler.ledger import ledger as module
from scheduler.ledger.archive import Archive
from scheduler.ledger.database import open_to_append, open_to_read
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientRetired
from scheduler.ledger.ledger import Ledger, LedgerReader
from scheduler.ledger.snapshots import Header, Snapshots
from tests.unit.scheduler.ledger.diary import Diary, diary

EVERY = 12


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(module, "EVERY", EVERY)
    Diary.applied.clear()


@pytest.fixture
def folder(path: Path) -> Path:
    return path.with_name("snapshots")


@pytest.fixture
def write(url: str, folder: Path) -> Iterator[Callable[[int], Ledger[Diary]]]:
    """Return how to append events, and the ledger they are in."""
    ledger = Ledger(
        open_to_append(url, create=True), diary(), Snapshots(folder, diary()), clock=GridClock()
    )

    def append(number: int) -> Ledger[Diary]:
        for _ in range(number):
            with ledger.transaction() as tx:
                tx.append(Draft(ClientRetired(), client=f"c{tx.state.seq}"))
        return ledger

    yield append
    ledger.close()


def reader(url: str, folder: Path, code: str = "1") -> LedgerReader[Diary]:
    return LedgerReader(open_to_read(url), diary(code), Snapshots(folder, diary(code)))


def notes_and_folds(url: str, folder: Path, code: str = "1") -> tuple[list[str], int]:
    """Return what a new process knows, and how many events it folded for it."""
    Diary.applied.clear()
    opened = reader(url, folder, code)
    notes = opened.state().all_notes()
    opened.close()
    return notes, len(Diary.applied)


def names(number: int) -> list[str]:
    return [f"c{n}" for n in range(number)]


def newest(folder: Path) -> Path:
    return max(folder.glob("*.snapshot"))


def test_a_new_process_folds_only_what_came_after_the_snapshot(write, url, folder):
    write(EVERY + 3)
    assert [path.name for path in folder.glob("*.snapshot")] == [f"{EVERY:012}.snapshot"]
    assert notes_and_folds(url, folder) == (names(EVERY + 3), 3)


def test_without_a_snapshot_all_events_are_folded(write, url, folder):
    write(EVERY - 1)
    assert not folder.exists()
    assert notes_and_folds(url, folder) == (names(EVERY - 1), EVERY - 1)
    write(1)
    shutil.rmtree(folder)
    assert notes_and_folds(url, folder) == (names(EVERY), EVERY)


def test_two_snapshots_are_kept(write, url, folder):
    write(5 * EVERY)
    kept = sorted(path.name for path in folder.glob("*.snapshot"))
    assert kept == [f"{4 * EVERY:012}.snapshot", f"{5 * EVERY:012}.snapshot"]
    assert not list(folder.rglob("*.part"))


def test_the_writer_goes_on_after_its_own_snapshot(write, url, folder):
    ledger = write(2 * EVERY + 1)
    assert ledger.state().all_notes() == names(2 * EVERY + 1)
    assert Diary.applied == list(range(1, 2 * EVERY + 2))


def test_another_writer_takes_over_the_snapshot_that_is_there(write, url, folder):
    write(EVERY)
    other = Ledger(
        open_to_append(url, create=False), diary(), Snapshots(folder, diary()), clock=GridClock()
    )
    with other.transaction() as tx:
        tx.append(Draft(ClientRetired(), client="x"))
    assert len(list(folder.glob("*.snapshot"))) == 1
    other.close()


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def _forged(content: bytes) -> bytes:
    """Return a snapshot with another state under the same header."""
    first, _, rest = content.partition(b"\n")
    seq, head, pages, notes = json.loads(zlib.decompress(rest))
    text = json.dumps([seq, head, pages, [*notes, "mallory"]]).encode()
    return first + b"\n" + zlib.compress(text)


DAMAGES = {
    "empty": lambda _: b"",
    "no header": lambda content: content.partition(b"\n")[2],
    "truncated": lambda content: content[:-5],
    "a bit flipped": lambda content: content[:-10] + bytes([content[-10] ^ 1]) + content[-9:],
    "another state": _forged,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_snapshot_is_discarded_and_logged(write, url, folder, damage):
    write(EVERY + 1)
    rewrite(newest(folder), DAMAGES[damage])
    with capture_logs() as logs:
        assert notes_and_folds(url, folder) == (names(EVERY + 1), EVERY + 1)
    assert [line["event"] for line in logs] == ["snapshot.discarded"]


def test_the_snapshot_before_stands_in_for_a_damaged_one(write, url, folder):
    write(2 * EVERY)
    rewrite(newest(folder), lambda content: content[:-5])
    assert notes_and_folds(url, folder) == (names(2 * EVERY), EVERY)


def test_a_snapshot_of_other_code_is_discarded_and_replaced(write, url, folder):
    write(EVERY + 1)
    with capture_logs() as logs:
        assert notes_and_folds(url, folder, code="2") == (names(EVERY + 1), EVERY + 1)
    assert logs[0]["reason"] == "other code folded it"
    upgraded = Ledger(
        open_to_append(url, create=False), diary("2"), Snapshots(folder, diary("2")),
        clock=GridClock(),
    )  # fmt: skip
    with upgraded.transaction() as tx:
        tx.append(Draft(ClientRetired(), client=f"c{EVERY + 1}"))
    upgraded.close()
    assert notes_and_folds(url, folder, code="2") == (names(EVERY + 2), 0)


def test_a_snapshot_of_another_ledger_is_discarded(write, url, path, folder):
    write(EVERY + 1).close()
    connection = sqlite3.connect(path)
    connection.executescript("DROP TRIGGER no_update; DROP TRIGGER no_delete;")
    connection.execute("UPDATE events SET hash = 'other' WHERE seq = ?", (EVERY,))
    connection.commit()
    connection.close()
    with capture_logs() as logs:
        assert notes_and_folds(url, folder) == (names(EVERY + 1), EVERY + 1)
    assert "not of this ledger" in logs[0]["reason"]


def test_a_snapshot_from_after_a_restored_backup_is_discarded(write, url, path, folder, tmp_path):
    write(EVERY - 2).close()
    shutil.copy(path, tmp_path / "backup")
    write(5)
    for file in path.parent.glob("ledger.sqlite*"):
        file.unlink()
    shutil.copy(tmp_path / "backup", path)
    assert notes_and_folds(url, folder) == (names(EVERY - 2), EVERY - 2)


def test_a_snapshot_that_lacks_a_part_is_discarded(write, url, folder):
    write(EVERY + 1)
    next(folder.glob("parts/??/*")).unlink()
    with capture_logs() as logs:
        assert notes_and_folds(url, folder) == (names(EVERY + 1), EVERY + 1)
    assert logs[0]["reason"] == "a part of it is missing"


def test_an_altered_part_is_found_when_it_is_read(write, url, folder):
    write(EVERY + 1)
    rewrite(next(folder.glob("parts/??/*")), lambda _: zlib.compress(b'["mallory"]'))
    opened = reader(url, folder)
    state = opened.state()
    with pytest.raises(LedgerError, match=r"not what was written.*remove .*snapshots"):
        state.all_notes()
    opened.close()


def test_a_writer_that_loses_a_part_folds_anew_and_writes_it_again(write, url, folder):
    ledger = write(EVERY + 1)
    shutil.rmtree(folder)
    with pytest.raises(LedgerError, match="cannot be read"):
        ledger.state().all_notes()
    assert ledger.state().all_notes() == names(EVERY + 1)
    write(EVERY)
    assert notes_and_folds(url, folder)[0] == names(2 * EVERY + 1)
    assert list(folder.glob("parts/??/*"))


def test_an_altered_part_is_written_again_by_whoever_folded_anew(write, url, folder):
    ledger = write(EVERY + 1)
    rewrite(next(folder.glob("parts/??/*")), lambda _: zlib.compress(b'["mallory"]'))
    with pytest.raises(LedgerError, match="not what was written"):
        ledger.state().all_notes()
    write(EVERY)
    notes, folded = notes_and_folds(url, folder)
    assert notes == names(2 * EVERY + 1)
    assert folded < EVERY


def test_a_part_that_is_altered_does_not_keep_events_from_being_folded(write, url, folder):
    ledger = write(EVERY + 1)
    opened = reader(url, folder)
    opened.state()
    with ledger.transaction() as tx:
        tx.append(Draft(ClientRetired(), client="looks back"))
    rewrite(next(folder.glob("parts/??/*")), lambda _: b"noise")
    assert opened.state().all_notes() == [*names(EVERY + 1), "looks back"]
    opened.close()


def test_a_transaction_that_needs_an_altered_part_succeeds_when_tried_again(write, folder):
    ledger = write(EVERY + 1)
    rewrite(next(folder.glob("parts/??/*")), lambda _: b"noise")
    for failing in (pytest.raises(LedgerError), nullcontext()):
        with failing, ledger.transaction() as tx:
            tx.append(Draft(ClientRetired(), client="looks back"))
    assert ledger.state().all_notes() == [*names(EVERY + 1), "looks back"]


def test_a_snapshot_that_cannot_be_written_loses_no_event(write, url, folder):
    folder.write_text("a file where the folder should be")
    with capture_logs() as logs:
        ledger = write(EVERY + 1)
    assert {line["event"] for line in logs} == {"snapshot.not_written"}
    assert ledger.state().all_notes() == names(EVERY + 1)
    assert ledger.verify().events == EVERY + 1


def test_a_commit_that_fails_goes_back_to_the_snapshot(write, folder):
    ledger = write(EVERY + 3)
    Diary.applied.clear()
    with pytest.raises(RuntimeError, match="no state follows"), ledger.transaction() as tx:
        tx.append(Draft(ClientRetired(), client="unfoldable"))
    assert ledger.state().all_notes() == names(EVERY + 3)
    assert len(Diary.applied) == 3


def test_verification_compares_with_the_state_folded_from_the_first_event(write, url, folder):
    ledger = write(EVERY - 1)
    assert ledger.check_snapshot() is None
    write(2)
    found = ledger.check_snapshot()
    assert (found.seq, found.fault) == (EVERY, None)


def test_verification_finds_a_snapshot_that_was_forged_whole(write, url, folder):
    ledger = write(EVERY + 1)
    path = newest(folder)
    header = Header.read(path)
    state = Diary(Archive(folder / "parts"))
    state.seq, state.head, state.notes = header.seq, header.head, ["mallory"]
    Snapshots(folder, diary()).write(state)
    assert notes_and_folds(url, folder) == (["mallory", f"c{EVERY}"], 1)
    found = ledger.check_snapshot()
    assert (found.seq, found.fault) == (EVERY, "its state is not what the events add up to")


def test_verification_reads_every_part(write, folder):
    ledger = write(EVERY + 1)
    rewrite(next(folder.glob("parts/??/*")), lambda _: zlib.compress(b'["mallory"]'))
    assert "not what was written" in ledger.check_snapshot().fault


def test_parts_that_nothing_refers_to_go_after_a_day(tmp_path):
    archive = Archive()
    old, new = archive.put(b"old"), archive.put(b"new")
    archive.write(tmp_path)
    archive.keep_only([new], older_than=0.0)
    assert archive.has(old)
    archive.keep_only([new], older_than=2.0**40)
    assert (archive.has(old), archive.has(new)) == (False, True)
    assert archive.get(new) == b"new"


def test_what_was_dropped_is_never_written(tmp_path):
    archive = Archive()
    archive.drop(archive.put(b"gone"))
    archive.put(b"kept")
    archive.write(tmp_path)
    assert len(list(tmp_path.glob("??/*"))) == 1
