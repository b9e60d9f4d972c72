"""What a receipt is worth: the first update counts, and nothing counts twice."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.messages import BlobRef
from scheduler.ledger.events import AssignmentDeclined, AssignmentFailed, RunEnded, UpdateRefused
from scheduler.rounds.receipt import worth
from tests.unit.scheduler.story import Story, given_up, sha


def under_way() -> Story:
    """Return the story of a run whose first round has just invited a and b, but not c."""
    told = Story("a", "b", "c")
    told.start()
    told.plan("a", "b")
    return told


def test_the_first_update_counts():
    assert worth(under_way().state, under_way().receipt("a")) == "count"


def test_the_same_bytes_again_are_a_duplicate_and_change_nothing():
    told = under_way()
    told.answer("a")
    before = copy.deepcopy((told.state.clients, told.state.runs))
    assert told.answer("a") == "duplicate"
    assert (told.state.clients, told.state.runs) == before


def test_other_bytes_for_the_same_round_are_conflicting_and_the_first_stay():
    told = under_way()
    told.answer("a", "first")
    assert told.answer("a", "second") == "conflicting"
    open_round = told.state.runs["r"].open_round
    assert open_round is not None
    assert open_round.accepted["a"].sha256 == sha("first")


def test_duplicates_and_conflicts_are_known_after_the_round_has_closed_too():
    told = under_way()
    told.answer("a", "first")
    told.answer("b")
    told.close()
    assert worth(told.state, told.receipt("a", "first")) == "duplicate"
    assert worth(told.state, told.receipt("a", "second")) == "conflicting"


def test_an_update_after_the_commit_is_late():
    told = under_way()
    told.answer("a")
    told.commit()
    assert worth(told.state, told.receipt("b")) == "late"
    told.close()
    assert worth(told.state, told.receipt("b")) == "late"
    told.plan("a", "b")
    assert worth(told.state, told.receipt("b", round=1)) == "late"
    assert worth(told.state, told.receipt("b")) == "count"


def test_a_given_up_assignment_that_is_answered_while_the_round_is_open_counts():
    told = under_way()
    told.tell(given_up("deadline"), run="r", number=1, client="a")
    assert told.answer("a") == "count"
    open_round = told.state.runs["r"].open_round
    assert open_round is not None
    assert open_round.cohort["a"].status == "accepted"


def test_a_decline_after_an_assignment_was_given_up_is_late():
    told = under_way()
    told.tell(given_up("deadline"), run="r", number=1, client="a")
    assert worth(told.state, told.receipt("a", outcome="declined")) == "late"


@pytest.mark.parametrize("outcome", ["declined", "failed"])
def test_declines_and_failures_settle_an_open_assignment_once(outcome):
    told = under_way()
    assert told.answer("a", outcome=outcome) == "settle"
    assert told.answer("a", outcome=outcome) == "late"
    open_round = told.state.runs["r"].open_round
    assert open_round is not None
    assert open_round.cohort["a"].status == outcome


@pytest.mark.parametrize("kind", [UpdateRefused, AssignmentFailed, AssignmentDeclined])
def test_an_update_after_a_refusal_or_a_failure_is_late(kind):
    told = under_way()
    told.book(kind, told.receipt("a"))
    assert worth(told.state, told.receipt("a", "better")) == "late"


def test_a_failure_after_an_update_was_counted_is_late():
    told = under_way()
    told.answer("a")
    assert worth(told.state, told.receipt("a", outcome="failed")) == "late"


def test_everything_after_the_end_of_a_run_is_late():
    told = under_way()
    told.tell(RunEnded(reason="stopped"), run="r")
    assert worth(told.state, told.receipt("a")) == "late"


@pytest.mark.parametrize(
    ("client", "changes"),
    [
        ("nobody", {}),
        ("a", {"run": "other"}),
        ("c", {}),  # enrolled, but not invited
        ("a", {"round": 2}),  # not planned yet
        ("a", {"round": 99}),
    ],
)
def test_what_was_never_asked_for_is_unknown(client, changes):
    told = under_way()
    assert worth(told.state, told.receipt(client, **changes)) == "unknown"


@pytest.mark.parametrize("outcome", ["trained", "failed"])
def test_a_site_that_answers_without_end_fills_no_ledger(outcome):
    told = under_way()
    told.answer("a")
    for _ in range(500):
        told.answer("a", "better", outcome=outcome)
    assert worth(told.state, told.receipt("a", outcome=outcome)) == "unknown"
    assert told.state.book.spare_answers == {"r": {"a": 32}}
    assert worth(told.state, told.receipt("b")) == "count"  # another's answer is not affected


@given(
    answers=st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c", "nobody"]),
            st.sampled_from(["trained", "declined", "failed"]),
            st.integers(1, 3),
            st.sampled_from(["x", "y"]),
        ),
        max_size=30,
    )
)
def test_a_duplicate_receipt_never_changes_anything(answers):
    told = under_way()
    for client, outcome, number, word in answers:
        ref = BlobRef(key="k", sha256=sha(word), nbytes=1) if outcome == "trained" else None
        receipt = {"outcome": outcome, "round": number, "update": ref}
        told.answer(client, word, **receipt)
        before = copy.deepcopy((told.state.clients, told.state.runs))
        told.answer(client, word, **receipt)
        assert (told.state.clients, told.state.runs) == before
