"""Preflight finds a folder of the user's that hides a package of ours, and only that."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.cli.preflight import findings

PROJECT = Path(__file__).parents[4]


def hidden(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("FAIRWIND_REDIS_URL", "redis://127.0.0.1:9/0")
    monkeypatch.setenv("FAIRWIND_HOME", str(folder / "no-home"))
    monkeypatch.chdir(folder)
    return [finding.text for finding in findings() if "hides" in finding.text]


def test_our_own_checkout_hides_nothing(monkeypatch):
    assert hidden(PROJECT, monkeypatch) == []


@pytest.mark.parametrize("name", ["tasks.py", "models", "celeryconfig.py"])
def test_a_name_of_ours_in_the_users_folder_is_found(name, tmp_path, monkeypatch):
    (tmp_path / name).mkdir()
    (text,) = hidden(tmp_path, monkeypatch)
    assert text.startswith(f"{tmp_path / name} hides Fairwind's own {name.removesuffix('.py')}")
