"""Blobs are named by their bytes and appear whole or not at all."""

import errno
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import BlobError
from common.files import write_chunks
from scheduler.ledger.blobs import Blobs

REPOSITORY = Path(__file__).parents[4]


@pytest.fixture
def blobs(tmp_path):
    return Blobs(tmp_path / "blobs")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def keep(blobs: Blobs, *chunks: bytes) -> str:
    """Write chunks, as they come from the network, and keep them as a blob."""
    with blobs.workspace() as folder:
        name = write_chunks(folder / "update", chunks)
        return blobs.keep(folder / "update", name)


def test_a_blob_is_named_by_its_bytes(blobs):
    with blobs.workspace() as folder:
        path = folder / "update"
        name = write_chunks(path, [b"ab", b"", b"c"])
        assert name == digest(b"abc")
        assert not blobs.has(name)
        assert blobs.keep(path, name) == name
        assert blobs.has(name)
        assert blobs.path(name).read_bytes() == b"abc"
        assert not path.exists()


def test_the_name_is_computed_where_it_is_not_known(blobs):
    with blobs.workspace() as folder:
        (folder / "made.here").write_bytes(b"model")
        assert blobs.keep(folder / "made.here") == digest(b"model")


def test_the_same_bytes_are_kept_once(blobs):
    for _ in range(2):
        keep(blobs, b"same")
    assert blobs.names() == {digest(b"same")}


def test_bytes_that_break_off_leave_nothing_behind(blobs):
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionError

    with pytest.raises(ConnectionError), blobs.workspace() as folder:
        write_chunks(folder / "update", broken())
    assert list(blobs.incoming.iterdir()) == []


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from scheduler.ledger.blobs import Blobs

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    Blobs(Path(sys.argv[1])).put(b"x" * 1500)
except OSError:
    print("refused")
"""


def test_a_disk_that_takes_only_a_part_is_an_error_not_a_shorter_blob(blobs, tmp_path):
    # A raw write may write less than it was given, and say so only in what it returns.
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "blobs")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"
    assert list(blobs.incoming.iterdir()) == []


def test_what_a_crash_left_unfinished_is_no_blob(blobs):
    with blobs.workspace() as folder:
        write_chunks(folder / "update", [b"received, and then the power went"])
        assert blobs.names() == set()


def test_a_blob_in_use_survives_being_kept_again(blobs):
    name = keep(blobs, b"base")
    with blobs.path(name).open("rb") as reader:
        assert keep(blobs, b"base") == name
        assert reader.read() == b"base"


def test_removing_says_how_much_it_freed(blobs):
    name = keep(blobs, b"12345")
    assert blobs.remove(name) == 5
    assert not blobs.has(name)
    assert blobs.names() == set()


def test_another_process_sees_the_same_blobs(blobs, tmp_path):
    name = keep(blobs, b"shared")
    assert Blobs(tmp_path / "blobs").names() == {name}


@given(chunks=st.lists(st.binary(max_size=50), max_size=10))
def test_chunks_do_not_show_in_the_bytes(tmp_path_factory, chunks):
    blobs = Blobs(tmp_path_factory.getbasetemp() / "any-blobs")
    with blobs.workspace() as folder:
        name = write_chunks(folder / "update", chunks)
        assert (folder / "update").read_bytes() == b"".join(chunks)
    assert name == digest(b"".join(chunks))


def test_a_blob_that_is_missing_or_altered_is_noticed_as_it_is_read(blobs):
    name = blobs.put(b"version")
    assert (blobs.fault(name), blobs.whole(name)) == (None, blobs.path(name))
    blobs.path(name).write_bytes(b"versiom")
    assert (blobs.fault(name), blobs.read(name)) == ("altered", None)
    with pytest.raises(BlobError, match=f"{name} was altered.*fairwind ledger replay --repair"):
        blobs.whole(name)
    blobs.path(name).unlink()
    assert (blobs.fault(name), blobs.read(name)) == ("missing", None)
    with pytest.raises(BlobError, match=f"{name} is missing"):
        blobs.whole(name)
    with pytest.raises(BlobError, match=f"{name} is missing"):
        blobs.nbytes(name)
    assert blobs.put(b"version") == name
    assert blobs.fault(name) is None


# --- what killed processes leave --------------------------------------------------------------

RECEIVES = """
import sys, time
from pathlib import Path
from scheduler.ledger.blobs import Blobs

with Blobs(Path(sys.argv[1])).workspace() as folder:
    (folder / "update").write_bytes(b"half of it")
    print("receives", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that is receiving an update."""
    command = [sys.executable, "-c", RECEIVES, str(tmp_path / "blobs")]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "receives\n"
        yield process
        process.kill()


def test_what_a_living_process_receives_is_never_swept(blobs, receiver):
    assert blobs.sweep() == 0
    (folder,) = blobs.incoming.iterdir()
    assert (folder / "update").read_bytes() == b"half of it"


def test_what_a_killed_process_received_is_swept(blobs, receiver):
    receiver.kill()
    receiver.wait()
    assert len(list(blobs.incoming.iterdir())) == 1
    assert blobs.sweep() == 1
    assert list(blobs.incoming.iterdir()) == []
    assert blobs.sweep() == 0


def test_whatever_lies_in_incoming_unused_is_swept(blobs, tmp_path):
    (blobs.incoming / "file").write_bytes(b"left")
    (blobs.incoming / "folder" / "deep").mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("not ours")
    (blobs.incoming / "link").symlink_to(elsewhere)
    with blobs.workspace() as mine:
        assert blobs.sweep() == 2
        assert mine.is_dir()
    assert elsewhere.read_text() == "not ours"


def test_what_fails_leaves_nothing_that_fills_the_disk(blobs):
    def fail() -> None:
        with blobs.workspace() as folder:
            (folder / "model").write_bytes(b"half of a version")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        fail()
    assert list(blobs.incoming.iterdir()) == []
