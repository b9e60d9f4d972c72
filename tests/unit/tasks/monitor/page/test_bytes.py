"""What the page of a long run and of a large federation costs: bytes of its document and a change.

The ledgers are real ones, written and read by our own code.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.long_ledger import LongLedger, Shape
from common.settings import Settings
from scheduler.federation.opening import open_ledger
from tasks.monitor.page.document import Shown, Snapshot
from tasks.monitor.page.patch import make_patch
from tasks.monitor.page.query import ClientQuery, RoundQuery
from tasks.monitor.source import LedgerSource
from tests.unit.tasks.monitor.flower_site import applied

FIRST_NBYTES = 100_000
CHANGE_NBYTES = 20_000
AGENDA_NBYTES = 10_000

SHOWN = Shown(ClientQuery(), RoundQuery())
"""Both tables are open, which costs most."""


class Watched:
    """A ledger that grows, and a page that shows it."""

    def __init__(self, settings: Settings, shape: Shape, events: int) -> None:
        self.writer = open_ledger(settings.ledger, settings.clock)
        self.ledger = LongLedger(self.writer, shape)
        self.ledger.grow(events)
        self.source = LedgerSource(settings)
        self.snapshot = self.look()

    def look(self) -> Snapshot:
        return self.source.load_snapshot("run-1")

    def change(self, happen: Callable[[], None]) -> dict[str, Any]:
        """Let something happen, and return its patch, which leads to the newest document.

        The agenda is left out of what is returned: a thread of its own renews it, at its own time.
        """
        before = self.look().document(SHOWN)
        happen()
        after = self.look().document(SHOWN)
        patch = make_patch(before, after)
        assert applied(before, patch) == after
        return {part: change for part, change in patch.items() if part != "agenda"}

    def agenda(self) -> dict[str, Any]:
        """Return the expected rounds as soon as they have been computed."""
        while (agenda := self.look().core["agenda"]) is None:
            time.sleep(0.1)
        made: dict[str, Any] = agenda
        return made

    def close(self) -> None:
        self.source.close()
        self.writer.close()


@pytest.fixture(
    scope="module",
    params=[pytest.param("10,000 rounds", marks=pytest.mark.slow), "1,000 clients"],
)
def watched(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    settings = Settings(home=tmp_path_factory.mktemp("home"), redis_url="redis://127.0.0.1:9/0")
    if request.param == "10,000 rounds":
        made = Watched(settings, Shape(clients=10, cohort=1, rounds=20_000), events=60_500)
        assert made.snapshot.core["run"]["rounds_done"] > 10_000
    else:
        made = Watched(settings, Shape(clients=1000, cohort=100, rounds=500), events=5_000)
        assert len(made.snapshot.clients) == 1000
    yield made
    made.close()


def nbytes(value: Any) -> int:
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


@pytest.mark.timeout(1200)
@pytest.mark.long
def test_the_first_document_and_every_change_are_small(watched: Watched) -> None:
    assert 0 < nbytes(watched.agenda()) <= AGENDA_NBYTES
    assert nbytes(watched.look().document(SHOWN)) <= FIRST_NBYTES
    assert nbytes(watched.change(watched.ledger.hold_round)) <= CHANGE_NBYTES
    gate_change = watched.change(lambda: watched.ledger.judge("site-03"))
    assert nbytes(gate_change) <= CHANGE_NBYTES / 10
    assert watched.change(lambda: None) == {}, "time alone changes nothing"


@pytest.mark.timeout(1200)
@pytest.mark.long
def test_every_round_is_in_the_table_and_in_the_sums_of_the_curve(watched: Watched) -> None:
    snapshot = watched.look()
    run, curve = snapshot.core["run"], snapshot.core["curve"]
    assert len(snapshot.rounds) == run["rounds_done"]
    assert curve["round"][-1] == run["rounds_done"]
    assert curve["emitted"][-1] == pytest.approx(run["emitted_gco2eq"])
    assert max(curve["value"]) == run["best"]


def test_a_home_without_a_run_has_a_document(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, redis_url="redis://127.0.0.1:9/0")
    open_ledger(settings.ledger, settings.clock).close()
    source = LedgerSource(settings)
    document = source.load_snapshot(None).document(SHOWN)
    assert (document["run"], document["clients"]["all"], document["rounds"]["all"]) == (None, 0, 0)
    source.close()
