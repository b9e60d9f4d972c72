"""Processes that load data end with the code that started them, where that fails."""

import time
from multiprocessing import active_children, get_context

import pytest

from models.loader_processes import loader_processes


def test_processes_of_code_that_is_interrupted_as_it_starts_them_end():
    def interrupted() -> None:
        get_context("fork").Process(target=time.sleep, args=(60,), daemon=True).start()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), loader_processes():
        interrupted()
    assert active_children() == []


def test_processes_of_code_that_ends_well_live_on():
    child = get_context("fork").Process(target=time.sleep, args=(60,), daemon=True)
    with loader_processes():
        child.start()
    assert child.is_alive()
    child.kill()
    child.join()
