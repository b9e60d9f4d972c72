"""The page says what is being started, and forgets it once it is up or was given up."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tasks.monitor.starting import announced, starting


def test_what_is_being_started_is_known_as_long_as_that_lasts(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert starting(home) is None
    with announced(home, "Starting: coordinator, beat."):
        assert starting(home) == "Starting: coordinator, beat."
    assert starting(home) is None


def test_it_is_forgotten_where_starting_failed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), announced(tmp_path, "Starting: beat."):
        raise KeyboardInterrupt
    assert starting(tmp_path) is None


def test_a_note_of_a_process_that_was_killed_is_forgotten_after_a_while(tmp_path: Path) -> None:
    with announced(tmp_path, "Starting: beat."):
        long_ago = time.time() - 301
        os.utime(tmp_path / "starting", (long_ago, long_ago))
        assert starting(tmp_path) is None
