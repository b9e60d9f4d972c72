"""The ledger that the benchmark measures is one like any other, only longer."""

from collections import Counter

from benchmarks.long_ledger import LongLedger, Shape
from common.clock import GridClock
from scheduler.federation.opening import open_ledger


def test_a_long_ledger_is_whole_and_holds_what_a_federation_does(tmp_path):
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", GridClock())
    LongLedger(ledger).grow(300)
    assert ledger.verify().broken_at is None
    kinds = Counter(event.kind for event in ledger.events())
    state = ledger.state()
    run = state.runs["run-1"]
    assert kinds["round.closed"] == kinds["round.evaluated"] == len(run.closed) > 10
    assert kinds["update.accepted"] > 5 * len(run.closed)
    assert {"update.late", "gate.changed", "grid.read", "grid.settled"} <= kinds.keys()
    assert set(state.clients) == set(Shape().names)
    assert run.totals.settled_wh > 0.0
    assert run.closed.sums.baseline_gco2eq is not None
    ledger.close()
