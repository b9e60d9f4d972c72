"""A transaction appends everything or nothing, and taking it back costs nothing."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from common.clock import GridClock
from common.errors import LedgerError
from scheduler.federation.federation import Federation
from scheduler.federation.fold import apply
from scheduler.federation.opening import FEDERATION, FederationLedger
from scheduler.ledger.database import open_to_append, snapshots_folder
from scheduler.ledger.event import Draft, Event
from scheduler.ledger.events import (
    ClientEnrolled,
    ClientJoined,
    RoundEvaluated,
    UpdateAccepted,
    UpdateLate,
)
from scheduler.ledger.ledger import Ledger
from scheduler.ledger.snapshots import Snapshots
from tests.unit.scheduler.story import Story

APPLIED: list[int] = []
"""The events that were folded, in whichever state."""


def apply_and_note(state: Federation, event: Event) -> None:
    if event.client == "unfoldable":
        msg = "no state follows from this"
        raise RuntimeError(msg)
    APPLIED.append(event.seq)
    apply(state, event)


@pytest.fixture
def counting(url):
    APPLIED.clear()
    noted = replace(FEDERATION, apply=apply_and_note)
    engine = open_to_append(url, create=True)
    opened = Ledger(engine, noted, Snapshots(snapshots_folder(url), noted), clock=GridClock())
    yield opened
    opened.close()


def enrolled(name: str) -> Draft:
    return Draft(ClientEnrolled(zone="FR", num_examples=None), client=name)


def append(ledger: FederationLedger, *drafts: Draft) -> None:
    with ledger.transaction() as tx:
        tx.append(*drafts)


def test_state_inside_a_transaction_is_the_one_before_it(ledger):
    append(ledger, enrolled("a"))
    with ledger.transaction() as tx:
        tx.append(enrolled("b"))
        assert set(tx.state.clients) == {"a"}
        assert set(ledger.state().clients) == {"a"}
    assert set(ledger.state().clients) == {"a", "b"}


def test_an_exception_in_the_block_appends_nothing_and_folds_nothing(counting):
    append(counting, enrolled("a"), enrolled("b"))
    before = counting.state()

    def fail_after_appending() -> None:
        with counting.transaction() as tx:
            tx.append(enrolled("c"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_appending()
    assert counting.state() is before
    assert set(before.clients) == {"a", "b"}
    append(counting, enrolled("d"))
    assert APPLIED == [1, 2, 3]
    assert counting.verify().events == 3


def test_an_event_that_is_not_json_appends_nothing_and_folds_nothing(counting):
    append(counting, enrolled("a"))
    unchecked = RoundEvaluated(metrics={}).model_copy(update={"evaluate_s": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        append(counting, enrolled("b"), Draft(unchecked, run="r"))
    assert set(counting.state().clients) == {"a"}
    append(counting, enrolled("c"))
    assert APPLIED == [1, 2]
    assert counting.verify().broken_at is None


def test_figures_that_are_not_numbers_never_get_in(ledger):
    with pytest.raises(ValueError, match="finite number"):
        append(ledger, Draft(RoundEvaluated(metrics={"accuracy": float("nan")})))
    assert ledger.latest_seq() == 0


def test_an_insert_that_the_database_refuses_folds_nothing(counting):
    story = Story("a")
    story.start()
    story.plan("a")
    story.answer("a")
    drafts = [Draft(e.payload, e.run, e.round, e.client) for e in story.events]
    append(counting, *drafts)
    counted = drafts[-1]
    assert isinstance(counted.payload, UpdateAccepted)
    with pytest.raises(sa.exc.IntegrityError, match="UNIQUE constraint failed"):
        append(counting, enrolled("b"), counted)
    assert set(counting.state().clients) == {"a"}
    append(counting, Draft(UpdateLate(work=counted.payload.work), "r", 1, "a"))
    assert list(range(1, len(drafts) + 2)) == APPLIED
    assert counting.verify().broken_at is None


def test_a_fold_that_fails_takes_back_what_was_appended(counting):
    append(counting, enrolled("a"))
    with pytest.raises(RuntimeError, match="no state follows"):
        append(
            counting,
            enrolled("b"),
            Draft(ClientJoined(incarnation="i1", host="h", pid=1), client="unfoldable"),
        )
    assert set(counting.state().clients) == {"a"}
    append(counting, enrolled("c"))
    assert set(counting.state().clients) == {"a", "c"}
    assert counting.verify().events == 2


def test_a_commit_that_fails_takes_back_what_was_appended(ledger):
    append(ledger, enrolled("a"))
    full = OSError("the disk is full")

    def fail(_connection):
        raise full

    sa.event.listen(ledger._engine, "commit", fail)
    with pytest.raises(OSError, match="disk is full"):
        append(ledger, enrolled("b"))
    sa.event.remove(ledger._engine, "commit", fail)
    assert set(ledger.state().clients) == {"a"}
    append(ledger, enrolled("c"))
    assert ledger.verify().broken_at is None


def test_a_transaction_in_which_nothing_is_appended_writes_nothing(ledger):
    with ledger.transaction() as tx:
        tx.append()
    assert ledger.latest_seq() == 0


def test_a_ledger_that_cannot_be_written_says_so_and_goes_on_once_it_can(counting):
    append(counting, enrolled("a"))
    with counting._engine.connect().execution_options(reading=True) as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(LedgerError, match=r"cannot be written \(.*full\).*try again"):
        append(counting, *(enrolled(f"c{n}") for n in range(200)))
    assert set(counting.state().clients) == {"a"}
    with counting._engine.connect().execution_options(reading=True) as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    append(counting, enrolled("b"))
    assert set(counting.state().clients) == {"a", "b"}
