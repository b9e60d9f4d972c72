"""How many updates a round aims at where that is left open, and advice where it is not."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.ledger.round_size import choose_cohort, smaller_rounds
from tests.unit.scheduler.story import spec


@pytest.mark.parametrize(
    ("clients", "asked", "cohort"),
    [
        (6, {}, 5),
        (100, {}, 5),
        (5, {}, None),
        (6, {"policy": "all"}, None),
        (6, {"mode": "async", "buffer": 2}, None),
        (100, {"quorum": 8}, 8),
        (8, {"quorum": 8}, None),
    ],
)
def test_five_updates_are_enough_unless_the_quorum_is_larger(
    clients: int, asked: dict[str, Any], cohort: int | None
) -> None:
    chosen, why = choose_cohort(spec(**asked), clients=clients)
    assert chosen.cohort == cohort
    assert why.startswith(f"Cohort {cohort}: ") if cohort else not why


@pytest.mark.parametrize(
    ("clients", "asked", "size"),
    [
        (7, {}, 7),
        (100, {"cohort": 10}, 10),
        (8, {"cohort": 10}, 8),
        (100, {"cohort": 6}, None),
        (6, {}, None),
        (100, {"policy": "all"}, None),
        (100, {"mode": "async", "buffer": 2}, None),
        (8, {"quorum": 8}, None),
    ],
)
def test_rounds_larger_than_needed_are_named(
    clients: int, asked: dict[str, Any], size: int | None
) -> None:
    advice = smaller_rounds(spec(**asked), clients=clients)
    if size is None:
        assert advice is None
    else:
        assert advice is not None
        assert advice.startswith(f"A round aims at {size} updates, more than it needs")
        assert advice.endswith("--cohort 5.")


def test_one_more_invited_replaces_over_selection() -> None:
    advice = smaller_rounds(spec(cohort=5, over_selection=0.3), clients=100)
    assert advice is not None
    assert "--cohort 6 --quorum 3" in advice
