"""The page reads the ledger that the settings name, and never makes one."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import LedgerError
from common.settings import Settings
from scheduler.federation.opening import open_ledger
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientEnrolled
from tasks.monitor.source import LedgerSource


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def test_source_never_creates_a_ledger(home: Settings) -> None:
    source = LedgerSource(home)
    with pytest.raises(LedgerError, match="no ledger"):
        source.load_snapshot(None)
    assert list(home.folder.iterdir()) == []


def test_source_shows_a_ledger_that_appears_later_and_one_that_replaces_it(home: Settings) -> None:
    source = LedgerSource(home)
    with pytest.raises(LedgerError):
        source.latest_seq()
    writer = open_ledger(home.ledger, home.clock)
    assert source.latest_seq() == 0
    with writer.transaction() as transaction:
        transaction.append(Draft(ClientEnrolled(zone="FR", num_examples=None), client="paris"))
    assert source.latest_seq() == 1
    snapshot = source.load_snapshot(None)
    assert snapshot.core["run"] is None
    assert [client["client"] for client in snapshot.clients] == ["paris"]
    writer.close()
    for file in home.folder.glob("ledger.sqlite*"):
        file.rename(file.with_name("old-" + file.name))
    open_ledger(home.ledger, home.clock).close()
    assert source.latest_seq() == 0
    source.close()
