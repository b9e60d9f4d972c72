"""Files of Fairwind are this user's alone, whatever the umask was, and reports are the user's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.private_files import close_to_others, for_others, is_open, keep_private


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_was_left_open_is_closed_with_all_it_holds(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "blobs" / "ab").mkdir(parents=True)
    blob, ledger = home / "blobs" / "ab" / "abcd", home / "ledger.sqlite"
    key = home / "blobs" / "identity.pem"
    for file in (key, blob, ledger, home / "ledger.sqlite-wal", home / "mine.txt"):
        file.write_bytes(b"x")

    closed = close_to_others(home, ("ledger.sqlite*", "blobs", "runs"))

    assert closed == 6
    assert [mode(p) for p in (home, blob.parent, blob, ledger)] == [0o700, 0o700, 0o600, 0o600]
    assert mode(home / "ledger.sqlite-wal") == 0o600
    assert mode(key) == 0o644, "a key that others could copy is not made to look well kept"
    assert mode(home / "mine.txt") == 0o644, "what is not Fairwind's stays as it is"
    assert close_to_others(home, ("ledger.sqlite*", "blobs", "runs")) == 0


def test_a_link_in_the_folder_closes_nothing_outside(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "file").write_text("x")
    home = tmp_path / "home"
    home.mkdir()
    (home / "blobs").symlink_to(theirs)

    close_to_others(home, ("blobs",))

    assert is_open(theirs)
    assert is_open(theirs / "file")


def test_a_folder_that_is_shared_on_purpose_stays_so(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)

    close_to_others(shared, ())

    assert mode(shared) == 0o777


@pytest.mark.parametrize("made_by", ["import tasks.app", "import tasks.cli; tasks.cli.main()"])
def test_every_process_makes_files_for_this_user_alone(tmp_path: Path, made_by: str) -> None:
    code = (
        f"import sys; sys.argv = ['fairwind', '--version']\ntry:\n {made_by}\n"
        "except SystemExit: pass\n"
        "import pathlib; pathlib.Path('file').touch(); pathlib.Path('folder').mkdir()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)

    assert (mode(tmp_path / "file"), mode(tmp_path / "folder")) == (0o600, 0o700)


def test_reports_are_as_open_as_the_user_has_it(tmp_path: Path) -> None:
    keep_private()
    with for_others():
        (tmp_path / "report.md").touch()
    (tmp_path / "private").touch()

    assert (mode(tmp_path / "report.md"), mode(tmp_path / "private")) == (0o644, 0o600)
