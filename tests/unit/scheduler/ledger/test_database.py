"""Readers take no lock and write nothing; those that append make the ledger and wait in turn."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from common.clock import GridClock
from common.errors import LedgerError, LedgerMovedError, SettingError
from scheduler.federation.opening import FederationLedger, open_ledger, read_ledger
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientEnrolled, ClientRetired
from scheduler.ledger.table import SCHEMA_VERSION

REPOSITORY = Path(__file__).parents[4]
CLOCK = GridClock()

READING = """
import os, sys
from common.clock import GridClock
from scheduler.federation.opening import open_ledger, read_ledger

open_ledger(sys.argv[2], GridClock()).state()  # loads what root alone may read here
if os.getuid() == 0:
    os.setuid(65534)  # nobody, whom permissions bind
ledger = read_ledger(sys.argv[1])
print(*ledger.state().clients, ledger.verify().broken_at)
"""


def enrol(ledger: FederationLedger, *names: str) -> None:
    with ledger.transaction() as tx:
        for name in names:
            tx.append(Draft(ClientEnrolled(zone="FR"), client=name))


def let_others_read(folder: Path) -> None:
    """Do what an administrator does who lets another user read a ledger."""
    for file in folder.glob("ledger.sqlite*"):
        if file.is_file():
            file.chmod(0o644)


def read_as_a_stranger(url: str, other: Path) -> str:
    """Return what a process prints that may not write; `other` is for warming up."""
    done = subprocess.run(
        [sys.executable, "-c", READING, url, f"sqlite:///{other}"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return (done.stdout + done.stderr).strip()


@pytest.fixture
def in_the_open():
    """Return a folder that others may enter; pytest's own folders are for one user alone."""
    with tempfile.TemporaryDirectory() as outer:
        Path(outer).chmod(0o755)
        folder = Path(outer) / "open"
        folder.mkdir()
        folder.chmod(0o755)  # also where a test before has changed the umask
        yield folder
        folder.chmod(0o755)


def test_a_reader_works_while_another_process_holds_the_write_lock(ledger, url, path):
    enrol(ledger, "a")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()
    reader = read_ledger(url)
    assert set(reader.state().clients) == {"a"}
    assert [event.client for event in reader.events()] == ["a"]
    assert reader.newest("client.enrolled", limit=1)[0].client == "a"
    assert reader.latest_seq() == 1
    assert reader.verify().broken_at is None
    assert time.monotonic() - begun < 5
    reader.close()
    holder.close()


def test_a_reader_follows_what_is_appended_meanwhile(ledger, url):
    reader = read_ledger(url)
    assert reader.state().clients == {}
    enrol(ledger, "a")
    assert set(reader.state().clients) == {"a"}
    reader.close()


def test_a_reader_makes_no_ledger(url, path):
    with pytest.raises(LedgerError, match=r"no ledger at .*fairwind enroll"):
        read_ledger(url)
    assert not path.parent.exists()


def test_one_that_appends_makes_no_ledger_where_it_is_not_to(url, path):
    with pytest.raises(LedgerError, match=r"no ledger at .*fairwind enroll"):
        open_ledger(url, CLOCK, create=False)
    assert not path.parent.exists()


def test_a_copy_is_read_where_only_the_file_was_copied(ledger, url, path, tmp_path):
    enrol(ledger, "a")
    ledger.close()
    copy = tmp_path / "copy.sqlite"
    shutil.copy(path, copy)
    copy.chmod(0o444)
    reader = read_ledger(f"sqlite:///{copy}")
    assert set(reader.state().clients) == {"a"}
    assert reader.verify().broken_at is None
    reader.close()


def test_a_ledger_is_read_in_a_folder_that_cannot_be_written(in_the_open, tmp_path):
    url = f"sqlite:///{in_the_open / 'ledger.sqlite'}"
    ledger = open_ledger(url, CLOCK)
    enrol(ledger, "a")
    ledger.close()
    let_others_read(in_the_open)
    in_the_open.chmod(0o555)
    assert not list(in_the_open.glob("*-wal"))
    assert read_as_a_stranger(url, tmp_path / "other.sqlite") == "a None"


def test_a_ledger_in_use_is_read_in_a_folder_that_cannot_be_written(in_the_open, tmp_path):
    url = f"sqlite:///{in_the_open / 'ledger.sqlite'}"
    ledger = open_ledger(url, CLOCK)
    enrol(ledger, "a")
    let_others_read(in_the_open)
    in_the_open.chmod(0o555)
    with ledger.transaction() as tx:
        tx.append(Draft(ClientRetired(), client="a"))
        assert read_as_a_stranger(url, tmp_path / "other.sqlite") == "a None"
    ledger.close()


def test_a_copy_whose_log_cannot_be_read_is_refused_with_a_remedy(in_the_open, tmp_path):
    url = f"sqlite:///{in_the_open / 'ledger.sqlite'}"
    ledger = open_ledger(url, CLOCK)
    enrol(ledger, "a")
    copy = in_the_open / "copy"
    copy.mkdir()
    for name in ("ledger.sqlite", "ledger.sqlite-wal"):  # without its index
        shutil.copy(in_the_open / name, copy / name)
    let_others_read(copy)
    copy.chmod(0o555)
    ledger.close()
    assert "copy one that is in use with sqlite3's .backup" in read_as_a_stranger(
        f"sqlite:///{copy / 'ledger.sqlite'}", tmp_path / "other.sqlite"
    )
    copy.chmod(0o755)


def test_reading_changes_no_byte_of_the_file(ledger, url, path):
    enrol(ledger, "a")
    ledger.close()
    before = path.read_bytes()
    reader = read_ledger(url)
    reader.state()
    reader.close()
    assert path.read_bytes() == before


@pytest.mark.parametrize("opening", [lambda url: open_ledger(url, CLOCK), read_ledger])
@pytest.mark.parametrize(
    ("version", "age"), [(str(SCHEMA_VERSION + 1), "newer"), (str(SCHEMA_VERSION - 1), "older")]
)
def test_a_ledger_of_another_version_is_refused_with_a_remedy(url, path, version, age, opening):
    open_ledger(url, CLOCK).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE meta SET value = ?", (version,))
    connection.commit()
    connection.close()
    with pytest.raises(LedgerError, match=rf"version {version}, {age} .*Run the Fairwind that"):
        opening(url)


def test_a_ledger_whose_making_was_cut_short_is_refused_by_readers(ledger, url, path):
    ledger.close()
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM meta")
    connection.commit()
    connection.close()
    with pytest.raises(LedgerError, match=r"no schema version.*Start the coordinator again"):
        read_ledger(url)


@pytest.mark.parametrize(
    ("opening", "text"),
    [
        (lambda url: open_ledger(url, CLOCK), "cannot be opened: file is not a database"),
        (read_ledger, "cannot be read: file is not a database"),
    ],
)
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path, opening, text):
    path = tmp_path / "ledger.sqlite"
    path.write_text("Dear diary, today I trained a model." * 100)
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=text):
        opening(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "home").write_text("a file where the folder should be")
    with pytest.raises(LedgerError, match=r"cannot be made.*FAIRWIND_HOME"):
        open_ledger(f"sqlite:///{tmp_path / 'home' / 'deep' / 'ledger.sqlite'}", CLOCK)


def test_a_place_where_no_file_can_be_is_refused(tmp_path):
    (tmp_path / "ledger.sqlite").mkdir()
    with pytest.raises(LedgerError, match=r"cannot be opened: unable to open database file"):
        open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", CLOCK)


@pytest.mark.parametrize("opening", [lambda url: open_ledger(url, CLOCK), read_ledger])
@pytest.mark.parametrize("given_url", ["", "ledger", "sqlite://", "postgresql://u:secret@h/db"])
def test_other_databases_are_refused_without_their_passwords(given_url, opening):
    with pytest.raises(SettingError, match="not an SQLite file") as caught:
        opening(given_url)
    assert "secret" not in str(caught.value)


# --- a ledger that is moved while it is in use ------------------------------------------------


def move(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def delete(path: Path) -> None:
    for file in path.parent.glob("ledger.sqlite*"):
        if file.is_file():
            file.unlink()


def replace(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copyfile(path, copy)
    copy.replace(path)


def delete_log(path: Path) -> None:
    path.with_name(f"{path.name}-wal").unlink()


def delete_index(path: Path) -> None:
    path.with_name(f"{path.name}-shm").unlink()


def move_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


@pytest.mark.parametrize("how", [move, delete, replace, delete_log, delete_index, move_folder])
def test_nothing_is_recorded_in_a_ledger_that_was_moved_meanwhile(tmp_path, how):
    path = tmp_path / "home" / "ledger.sqlite"
    ledger = open_ledger(f"sqlite:///{path}", CLOCK)
    enrol(ledger, "a")
    reader = read_ledger(f"sqlite:///{path}")
    assert len(reader.state().clients) == 1
    how(path)
    with pytest.raises(LedgerMovedError, match=r"ledger\.sqlite was moved, deleted or replaced"):
        enrol(ledger, "b")
    for each in (ledger, reader):
        with pytest.raises(LedgerMovedError):
            each.state()
    ledger.close()
    reader.close()


def test_a_connection_that_is_made_later_begins_no_second_ledger(tmp_path):
    path = tmp_path / "ledger.sqlite"
    ledger = open_ledger(f"sqlite:///{path}", CLOCK)
    enrol(ledger, "a")
    ledger.close()  # the next statement connects anew
    move(path)
    with pytest.raises(LedgerMovedError):
        enrol(ledger, "b")
    assert not path.exists()


def test_a_ledger_that_is_moved_in_the_middle_of_a_transaction_keeps_nothing_of_it(tmp_path):
    path = tmp_path / "ledger.sqlite"
    ledger = open_ledger(f"sqlite:///{path}", CLOCK)
    enrol(ledger, "a")

    def meanwhile() -> None:
        with ledger.transaction() as tx:
            tx.append(Draft(ClientEnrolled(zone="FR"), client="b"))
            move(path)

    with pytest.raises(LedgerMovedError):
        meanwhile()
    ledger.close()
    path.with_name("elsewhere").rename(path)
    again = open_ledger(f"sqlite:///{path}", CLOCK)
    assert list(again.state().clients) == ["a"]
    again.close()


def test_another_ledger_that_is_copied_into_the_file_is_noticed(tmp_path):
    other, path = tmp_path / "other" / "ledger.sqlite", tmp_path / "ledger.sqlite"
    for each, client in ((other, "x"), (path, "a")):
        made = open_ledger(f"sqlite:///{each}", CLOCK)
        enrol(made, client)
        made.close()
    ledger = open_ledger(f"sqlite:///{path}", CLOCK)
    assert list(ledger.state().clients) == ["a"]
    ledger.close()  # so that nothing of it is in memory but what was folded
    path.write_bytes(other.read_bytes())  # the same file, by its device and inode
    with pytest.raises(LedgerMovedError):
        enrol(ledger, "b")
    ledger.close()


def test_a_ledger_that_others_open_and_close_is_not_taken_for_another(tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    ledger, reader = open_ledger(url, CLOCK), read_ledger(url)
    for name in ("a", "b", "c"):
        other = open_ledger(url, CLOCK)
        enrol(other, name)
        other.close()
        assert name in reader.state().clients
        assert name in ledger.state().clients
        ledger.close()
    reader.close()
    other = open_ledger(url, CLOCK)  # all were closed, and the log is another one
    enrol(other, "d")
    other.close()
    assert "d" in ledger.state().clients
    enrol(ledger, "e")
    assert "e" in reader.state().clients
    ledger.close()
    reader.close()


def test_where_one_ledger_was_no_second_is_begun(tmp_path):
    path = tmp_path / "ledger.sqlite"
    blobs = Blobs(tmp_path / "blobs")
    blobs.put(b"version")
    url, said = f"sqlite:///{path}", r"belongs to one that was moved or deleted"
    with pytest.raises(LedgerError, match=said):
        open_ledger(url, CLOCK)
    with pytest.raises(LedgerError, match=said):
        read_ledger(url)
    assert not path.exists()
    path.touch()
    with pytest.raises(LedgerError, match=r"Put it back, or restore a back-up"):
        open_ledger(url, CLOCK)
    assert path.stat().st_size == 0


def test_a_file_that_is_damaged_while_it_is_in_use_is_reported_in_one_line(tmp_path):
    path = tmp_path / "ledger.sqlite"
    ledger = open_ledger(f"sqlite:///{path}", CLOCK)
    for number in range(200):
        enrol(ledger, f"c{number}")
    reader = read_ledger(f"sqlite:///{path}")
    reader.close()
    ledger.close()  # the last one moves all from the log into the file
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))
    with pytest.raises(LedgerError, match="cannot be read: database disk image is malformed"):
        reader.state()
    with pytest.raises(LedgerError, match="cannot be written"):
        enrol(ledger, "b")
    ledger.close()
    reader.close()


def test_the_files_of_a_ledger_are_its_users_alone_also_those_of_before(tmp_path):
    path = tmp_path / "new" / "ledger.sqlite"
    files = [path, *(path.with_name(f"{path.name}-{end}") for end in ("wal", "shm"))]
    before = os.umask(0o022)
    try:
        enrol(open_ledger(f"sqlite:///{path}", CLOCK), "lyon")
        assert [file.stat().st_mode & 0o777 for file in files] == [0o600] * 3
        for file in files:
            file.chmod(0o644)
        open_ledger(f"sqlite:///{path}", CLOCK)
        assert [file.stat().st_mode & 0o777 for file in files] == [0o600] * 3
    finally:
        os.umask(before)
    assert path.parent.stat().st_mode & 0o777 == 0o700
