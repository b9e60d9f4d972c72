"""Work that kills its process is left out after three deaths, and then tried every second time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from common.errors import WorkerDiedError
from tasks.coordinator.deaths import survived


@pytest.fixture
def dies(tmp_path: Path) -> Iterator[Callable[[], object]]:
    """Return what begins the work and never comes to its end."""
    with ExitStack() as begun:  # ends with the test
        yield lambda: begun.enter_context(survived(tmp_path, "r"))


def test_work_that_came_to_an_end_counts_for_nothing(tmp_path: Path) -> None:
    for _ in range(5):
        with survived(tmp_path, "r"):
            pass
        with pytest.raises(ZeroDivisionError), survived(tmp_path, "r"):
            raise ZeroDivisionError


def test_after_three_deaths_every_second_try_is_left_out_and_other_runs_are_not(
    tmp_path: Path, dies: Callable[[], object]
) -> None:
    for _ in range(3):
        dies()
    for _ in range(2):
        with pytest.raises(WorkerDiedError, match="died 3 times"), survived(tmp_path, "r"):
            pytest.fail("it was tried")
        dies()
    with survived(tmp_path, "another"):
        pass


def test_a_count_that_was_cut_off_is_none(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("")
    with survived(tmp_path, "r"):
        assert (tmp_path / "r").read_text() == "1"
