"""Codes and numbers of policies become plain sentences."""

from datetime import UTC, datetime

import pytest

from scheduler.policies.reason import explain, explain_note
from tests.unit.scheduler.policies.course import WAITS, ask, site
from tests.unit.scheduler.policies.laws import rounds

FALLING = site("a", 400.0, 200.0, energy_wh=0.01)


def test_a_wait_names_the_better_hours_and_what_the_best_saves():
    assert explain(ask(FALLING, rounds_left=1, hours_left=2.0, options=WAITS).because) == (
        "waits: 1 of the next 2 hours is cleaner for the clients that are due, and the rounds "
        "left need 1; the best begins in 1 h and saves at least 2 mgCO2eq"
    )


def test_a_wait_that_the_ledger_keeps_names_the_time():
    because: dict[str, float | str | None] = {
        "code": "better_hours_ahead", "hours_ahead": 48.0, "better_hours": 21.0,
        "hours_needed": 16.7, "saves_gco2eq": 1.2,
    }  # fmt: skip
    assert explain(because, best_at=datetime(2026, 7, 6, 9, tzinfo=UTC)) == (
        "waits: 21 of the next 48 hours are cleaner for the clients that are due, and the rounds "
        "left need 17; the best begins at Mon 09:00 UTC and saves at least 1.2 gCO2eq"
    )


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "does not wait for cleaner hours"),
        ({"rounds_left": 1, "hours_left": 2.0}, "does not wait for cleaner hours"),
        ({"rounds_left": 1, "hours_left": 1.0, "options": WAITS}, "all the time that is left"),
        ({"options": WAITS}, "the run has no time limit"),
        ({"rounds_left": 1, "number": 10}, "rounds left, this one included: 1"),
    ],
)
def test_a_round_held_now_says_why(fields, says):
    assert says in (explain(ask(FALLING, **fields).because) or "")


def test_a_round_in_one_of_the_best_hours_says_so():
    rising = site("a", 200.0, 400.0)
    told = {"rounds_left": 1, "hours_left": 2.0, "options": WAITS}
    assert explain(ask(rising, **told).because) == (
        "0 of the next 2 hours are cleaner for the clients that are due, and the rounds left need "
        "1, so this one is used"
    )


def test_spent_patience_is_named():
    late = site("a", 400.0, 200.0, waited_h=90.0)
    because = ask(late, rounds_left=1, hours_left=2.0, past=rounds("b", *[()] * 119)).because
    assert explain(because) == "1 of the invited clients has waited as long as patience allows"


def test_a_note_names_what_an_update_emits_and_its_reservation_price():
    # The price of both lies between their two hours: 300 and 225 g. a gains 200 g, b 75 g.
    answer = ask(
        site("a", 100.0, 500.0), site("b", 150.0, 300.0), wanted=1, rounds_left=2,
        options={"fairness": 1.0, "full_share": 1.0},
    )  # fmt: skip
    assert explain_note(answer.notes["a"], invited=True) == (
        "it is planned to emit 100 gCO2eq; its reservation price is 300 gCO2eq for a whole update"
    )
    assert explain_note(answer.notes["b"], invited=False) == (
        "an update would emit 150 gCO2eq now and its reservation price is 225 gCO2eq; others gain "
        "more from this hour"
    )


@pytest.mark.parametrize("because", [{}, {"code": "of its own"}, {"code": "overdue"}])
def test_a_foreign_code_has_no_sentence(because):
    assert explain(because) is None
    assert explain_note(because, invited=True) is None
