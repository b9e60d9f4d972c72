"""A password in a file: made once, the same ever after, and nobody else's."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from common.errors import SettingError
from common.password_file import load_or_make_password


def test_a_password_is_made_once_and_only_its_user_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "flower.redis"
    password = load_or_make_password(path)
    assert load_or_make_password(path) == password
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_make_password(tmp_path / "other") != password


def test_an_empty_file_is_no_password(tmp_path: Path) -> None:
    path = tmp_path / "flower.redis"
    path.touch()
    with pytest.raises(SettingError, match="holds no password"):
        load_or_make_password(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=f"{tmp_path} cannot be used"):
        load_or_make_password(tmp_path)
