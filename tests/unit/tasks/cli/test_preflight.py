"""Preflight finds a folder that hides a package of ours, and a home that cannot be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from common import settings
from tasks.cli.preflight import findings

PROJECT = Path(__file__).parents[4]


def hidden(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("FAIRWIND_REDIS_URL", "redis://127.0.0.1:9/0")
    monkeypatch.setenv("FAIRWIND_HOME", str(folder / "no-home"))
    monkeypatch.chdir(folder)
    return [finding.text for finding in findings() if "has the name of" in finding.text]


def test_our_own_checkout_hides_nothing(monkeypatch):
    assert hidden(PROJECT, monkeypatch) == []


@pytest.mark.parametrize("name", ["tasks.py", "models", "celeryconfig.py"])
def test_a_name_of_ours_in_the_users_folder_is_found(name, tmp_path, monkeypatch):
    (tmp_path / name).mkdir()
    (text,) = hidden(tmp_path, monkeypatch)
    assert text.startswith(
        f"{tmp_path / name} has the name of Fairwind's own {name.removesuffix('.py')}"
    )


def errors(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("FAIRWIND_REDIS_URL", "redis://127.0.0.1:9/0")
    monkeypatch.setenv("FAIRWIND_HOME", str(home))
    settings.load.cache_clear()
    found = [finding.text for finding in findings() if finding.level == "error"]
    settings.load.cache_clear()
    return [text for text in found if "can be kept" in text]


@pytest.mark.parametrize("path", [".", "blobs", "runs", "site/lyon/x", "outbox"])
def test_a_part_of_the_home_that_cannot_be_written_is_found(path, tmp_path, monkeypatch):
    home = tmp_path / "home"
    (home / path).parent.mkdir(parents=True, exist_ok=True)
    if path.startswith("site"):
        (home / "outbox").mkdir(parents=True)
        (home / "outbox" / "lyon").write_text("a file where a folder should be")
    elif path == "outbox":
        (home / "site" / "lyon").mkdir(parents=True)
        (home / "outbox").write_text("the same")
    else:
        (home / path).write_text("the same")
    (text,) = errors(home, monkeypatch)
    assert text.startswith("Nothing can be kept in")
    assert text.endswith("or set FAIRWIND_HOME to another folder.")


def test_looking_makes_no_folder(tmp_path, monkeypatch):
    assert errors(tmp_path / "not" / "there", monkeypatch) == []
    assert list(tmp_path.iterdir()) == []
