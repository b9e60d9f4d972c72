"""Blobs are named by their bytes and appear whole or not at all."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.ledger.blobs import Blobs

REPOSITORY = Path(__file__).parents[4]


@pytest.fixture
def blobs(tmp_path):
    return Blobs(tmp_path / "blobs")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_blob_is_named_by_its_bytes(blobs):
    path, name = blobs.receive([b"ab", b"", b"c"])
    assert name == digest(b"abc")
    assert not blobs.has(name)
    assert blobs.keep(path, name) == name
    assert blobs.has(name)
    assert blobs.path(name).read_bytes() == b"abc"
    assert not path.exists()


def test_the_name_is_computed_where_it_is_not_known(blobs):
    path = blobs.incoming / "made.here"
    path.write_bytes(b"model")
    assert blobs.keep(path) == digest(b"model")


def test_the_same_bytes_are_kept_once(blobs):
    for _ in range(2):
        path, name = blobs.receive([b"same"])
        blobs.keep(path, name)
    assert blobs.names() == {digest(b"same")}


def test_bytes_that_break_off_leave_nothing_behind(blobs):
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        blobs.receive(broken())
    assert list(blobs.incoming.iterdir()) == []


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from scheduler.ledger.blobs import Blobs

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    Blobs(Path(sys.argv[1])).receive([b"x" * 1500])
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
    blobs.receive([b"received, and then the power went"])
    assert blobs.names() == set()


def test_a_blob_in_use_survives_being_kept_again(blobs):
    path, name = blobs.receive([b"base"])
    blobs.keep(path, name)
    with blobs.path(name).open("rb") as reader:
        blobs.keep(blobs.receive([b"base"])[0], name)
        assert reader.read() == b"base"


def test_removing_says_how_much_it_freed(blobs):
    path, name = blobs.receive([b"12345"])
    blobs.keep(path, name)
    assert blobs.remove(name) == 5
    assert not blobs.has(name)
    assert blobs.names() == set()


def test_another_process_sees_the_same_blobs(blobs, tmp_path):
    path, name = blobs.receive([b"shared"])
    blobs.keep(path, name)
    assert Blobs(tmp_path / "blobs").names() == {name}


@given(chunks=st.lists(st.binary(max_size=50), max_size=10))
def test_chunks_do_not_show_in_the_bytes(tmp_path_factory, chunks):
    blobs = Blobs(tmp_path_factory.getbasetemp() / "any-blobs")
    path, name = blobs.receive(chunks)
    assert path.read_bytes() == b"".join(chunks)
    assert name == digest(b"".join(chunks))
    path.unlink()
