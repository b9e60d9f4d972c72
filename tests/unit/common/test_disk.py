"""A full disk is an error that names it and says how much is missing."""

import errno

import pytest

from common.disk import writing_to
from common.errors import StorageError


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named_with_what_is_free(number, tmp_path):
    with pytest.raises(StorageError) as raised, writing_to(tmp_path, "the next version"):
        raise OSError(number, "-")
    text = str(raised.value)
    assert text.startswith(f"The disk of {tmp_path} is full: ")
    assert text.endswith(
        " are free, so the next version cannot be stored. Free some of it; then it goes on by "
        "itself."
    )


def test_nothing_is_begun_without_room(tmp_path):
    with (
        pytest.raises(StorageError, match=r"1,000,000 TB are needed.*Free at least"),
        writing_to(tmp_path, "updates", nbytes=10**18),
    ):
        pytest.fail("it was begun")


def test_another_fault_stays_what_it_is(tmp_path):
    with pytest.raises(PermissionError), writing_to(tmp_path, "the next version"):
        raise PermissionError(errno.EACCES, "-")
