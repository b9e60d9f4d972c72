"""What a site keeps is written once, together, and for its user alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from common.errors import EquivocationError, SecureAggregationError
from common.secagg.store import SecaggStore


def test_a_record_is_kept_for_ever_and_by_another_process_too(tmp_path: Path) -> None:
    SecaggStore(tmp_path / "s").keep({("a", "1"): b"x", ("a", "2"): b"y"})
    again = SecaggStore(tmp_path / "s")
    again.keep({("a", "1"): b"x"})
    assert (again.get("a", "1"), again.get("a", "2"), again.get("b", "1")) == (b"x", b"y", None)


def test_another_content_is_refused_with_all_that_came_with_it(tmp_path: Path) -> None:
    store = SecaggStore(tmp_path / "s")
    store.keep({("a", "2"): b"y"})
    with pytest.raises(EquivocationError, match="a of 2 already"):
        store.keep({("a", "1"): b"x", ("a", "2"): b"z"})
    assert store.get("a", "1") is None
    assert store.get("a", "2") == b"y"


def test_of_many_at_once_one_is_kept(tmp_path: Path) -> None:
    store = SecaggStore(tmp_path / "s")

    def keep(number: int) -> bool:
        try:
            store.keep({("a", "1"): b"%d" % number})
        except EquivocationError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        kept = list(pool.map(keep, range(8)))
    assert kept.count(True) == 1
    assert store.get("a", "1") == b"%d" % kept.index(True)


def test_what_is_forgotten_is_not_in_the_file(tmp_path: Path) -> None:
    store = SecaggStore(tmp_path / "s")
    store.keep({("key", "1"): b"secret-words" * 3})
    assert b"secret-words" in (tmp_path / "s/records.sqlite").read_bytes()
    store.forget(("key", "1"))
    assert b"secret-words" not in (tmp_path / "s/records.sqlite").read_bytes()


def test_files_are_for_their_user_alone(tmp_path: Path) -> None:
    store = SecaggStore(tmp_path / "s")
    store.keep({("a", "1"): b"x"})
    store.write_vector("v", [b"1234"])
    assert {
        path.stat().st_mode & 0o077 for path in [tmp_path / "s", *(tmp_path / "s").iterdir()]
    } == {0}


def test_a_file_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "records.sqlite").write_bytes(b"no database " * 100)
    with pytest.raises(SecureAggregationError, match=r"cannot be used .*sends nothing"):
        SecaggStore(tmp_path).get("a", "1")
