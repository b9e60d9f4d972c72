"""A transaction appends everything or nothing, and taking it back costs nothing."""

from typing import ClassVar

import pytest
import sqlalchemy as sa

from common.clock import GridClock
from scheduler.federation.federation import Federation
from scheduler.federation.opening import FederationLedger
from scheduler.ledger.database import open_to_append
from scheduler.ledger.event import Draft, Event
from scheduler.ledger.ledger import Ledger
from scheduler.ledger.projection import Projection
from tests.unit.scheduler.story import Story


class Counting(Federation):
    """A federation that notes which events were folded, in whichever state."""

    applied: ClassVar[list[int]] = []

    def apply(self, event: Event) -> None:
        if event.client == "unfoldable":
            msg = "no state follows from this"
            raise RuntimeError(msg)
        self.applied.append(event.seq)
        super().apply(event)


@pytest.fixture
def counting(url):
    Counting.applied = []
    opened = Ledger(open_to_append(url, create=True), Projection(new=Counting), GridClock())
    yield opened
    opened.close()


def enrolled(name: str) -> Draft:
    return Draft("client.enrolled", client=name, body={"zone": "FR", "num_examples": None})


def append(ledger: FederationLedger | Ledger[Counting], *drafts: Draft) -> None:
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
    assert Counting.applied == [1, 2, 3]
    assert counting.verify().events == 3


def test_an_event_that_is_not_json_appends_nothing_and_folds_nothing(counting):
    append(counting, enrolled("a"))
    unserialisable = Draft("client.enrolled", client="x", body={"zone": object()})
    with pytest.raises(TypeError):
        append(counting, enrolled("b"), unserialisable)
    assert set(counting.state().clients) == {"a"}
    append(counting, enrolled("c"))
    assert Counting.applied == [1, 2]
    assert counting.verify().broken_at is None


def test_figures_that_are_not_numbers_never_get_in(ledger):
    with pytest.raises(ValueError, match="not JSON compliant"):
        append(ledger, Draft("grid.read", body={"readings": float("nan")}))
    assert ledger.latest_seq() == 0


def test_an_insert_that_the_database_refuses_folds_nothing(counting):
    told = Story("a")
    told.start()
    told.plan("a")
    told.answer("a")
    drafts = [Draft(e.kind, e.run, e.round, e.client, e.body) for e in told.events]
    append(counting, *drafts)
    counted = drafts[-1]
    assert counted.kind == "update.accepted"
    with pytest.raises(sa.exc.IntegrityError, match="UNIQUE constraint failed"):
        append(counting, enrolled("b"), counted)
    assert set(counting.state().clients) == {"a"}
    append(counting, Draft("update.late", "r", 1, "a", counted.body))
    assert Counting.applied == list(range(1, len(drafts) + 2))
    assert counting.verify().broken_at is None


def test_a_fold_that_fails_takes_back_what_was_appended(counting):
    append(counting, enrolled("a"))
    with pytest.raises(RuntimeError, match="no state follows"):
        append(counting, enrolled("b"), Draft("client.joined", client="unfoldable"))
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
