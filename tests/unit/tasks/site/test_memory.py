"""What a site remembers counts once the ledger names it, and is neither skipped nor doubled."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, full

from common.messages import MemoryRef
from models.serialization import write_state
from tasks.site.memory import SiteMemory
from tasks.site.recall import no_room, recall, remember
from tests.unit.tasks.site.test_executor import assignment

STATE = {"error_feedback/w": full((3,), 0.5)}
OTHER = {"error_feedback/w": full((3,), 0.25)}


@pytest.fixture
def memory(tmp_path: Path) -> SiteMemory:
    return SiteMemory(tmp_path / "memory")


def keep(memory: SiteMemory, state: dict[str, Tensor], round_number: int, **more: Any) -> MemoryRef:
    work = assignment(round=round_number, **more)
    return MemoryRef(sha256=memory.keep(work, lambda p: write_state(state, p)), round=round_number)


def values(memory: SiteMemory, round_number: int, named: MemoryRef | None) -> float | None:
    state, lost = recall(memory, assignment(round=round_number, memory=named))
    assert lost is (named is not None and not state)
    return state["error_feedback/w"][0].item() if state else None


def test_equal_states_have_one_name_and_one_file(memory: SiteMemory) -> None:
    assert keep(memory, STATE, 1) == keep(memory, STATE, 1)
    assert [(held.run, held.round, held.kinds) for held in memory.held()] == [
        ("r", 1, ("error_feedback",))
    ]


def test_an_assignment_that_comes_again_starts_from_the_same_state(memory: SiteMemory) -> None:
    first = keep(memory, STATE, 1)
    assert values(memory, 2, first) == 0.5
    keep(memory, OTHER, 2)  # its receipt is lost, and round 2 is issued again
    assert values(memory, 2, first) == 0.5


def test_what_the_ledger_has_not_named_is_forgotten_by_the_next_round(memory: SiteMemory) -> None:
    first = keep(memory, STATE, 1)
    keep(memory, OTHER, 2)  # that update came late
    assert values(memory, 3, first) == 0.5
    assert [held.round for held in memory.held()] == [1]


def test_what_is_superseded_is_deleted(memory: SiteMemory) -> None:
    keep(memory, STATE, 1)
    second = keep(memory, OTHER, 2)
    assert values(memory, 3, second) == 0.25
    assert [held.round for held in memory.held()] == [2]


def test_a_stray_assignment_of_an_earlier_round_takes_nothing_away(memory: SiteMemory) -> None:
    first = keep(memory, STATE, 1)
    second = keep(memory, OTHER, 2)
    assert values(memory, 3, second) == 0.25
    assert values(memory, 2, first) is None  # what it names is gone: its update will not count
    assert values(memory, 1, None) is None
    assert values(memory, 3, second) == 0.25


def test_runs_do_not_touch_each_other(memory: SiteMemory) -> None:
    first = keep(memory, STATE, 1)
    recall(memory, assignment(run="other", round=9))
    assert values(memory, 2, first) == 0.5


@pytest.mark.parametrize("damage", [b"", b"garbage"])
def test_a_damaged_state_is_lost(memory: SiteMemory, tmp_path: Path, damage: bytes) -> None:
    named = keep(memory, STATE, 1)
    (path,) = (tmp_path / "memory" / "r").iterdir()
    path.write_bytes(damage)
    assert values(memory, 2, named) is None
    assert memory.held() == []


def test_an_empty_state_has_no_name(memory: SiteMemory) -> None:
    assert remember(memory, assignment(), {}) is None


def test_a_run_that_asked_for_nothing_in_a_month_is_forgotten(
    memory: SiteMemory, tmp_path: Path
) -> None:
    keep(memory, STATE, 1, run="old")
    (path,) = (tmp_path / "memory" / "old").iterdir()
    for each in (path, path.parent):
        os.utime(each, (time.time() - 31 * 86400,) * 2)
    keep(memory, STATE, 1, run="new")
    assert [held.run for held in memory.held()] == ["new"]


def test_work_is_declined_before_it_begins_where_there_is_no_room(memory: SiteMemory) -> None:
    large = assignment().model.model_copy(update={"nbytes": 2**62})
    reason = no_room(memory, assignment(error_feedback=True, model=large))
    assert reason is not None
    assert (reason.code, "free some at the site" in reason.text) == ("disk_full", True)
    assert no_room(memory, assignment(model=large)) is None
    assert no_room(memory, assignment(error_feedback=True, evaluates=True, model=large)) is None
