"""What `fairwind check` says of users in Redis, where none has to be looked up."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.settings import Settings
from tasks.cli.preflight_users import check_redis_users


@pytest.mark.parametrize(
    ("url", "level", "begins"),
    [
        ("redis://127.0.0.1:6379/0", "ok", "Redis is used without a password: "),
        ("redis://fed.example.org:6379/0", "warning", "Redis is used without a password: "),
        ("redis://:abc@fed.example.org/0", "ok", "Redis has one password here: "),
        ("redis://site-lyon:abc@fed.example.org/0", "ok", "As site-lyon, this process may"),
    ],
)
def test_each_mode_is_named_with_what_it_means(
    url: str, level: str, begins: str, tmp_path: Path
) -> None:
    (found,) = check_redis_users(Settings(redis_url=url, home=tmp_path))
    assert found.level == level
    assert found.text.startswith(begins)
    assert "abc" not in found.text
