"""The Rounds page of long runs and of large federations: bytes and seconds."""

from __future__ import annotations

import gzip
import json
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from benchmarks.long_ledger import LongLedger, Shape
from common.settings import Settings
from common.units import show_bytes
from scheduler.federation.opening import open_ledger
from tasks.monitor.page.document import Shown
from tasks.monitor.page.patch import make_patch
from tasks.monitor.page.query import ClientQuery
from tasks.monitor.source import LedgerSource

CASES = {
    "10,000 rounds": (Shape(clients=10, cohort=1, rounds=20_000), 60_500),
    "1,000 clients": (Shape(clients=1000, cohort=100), 5_000),
    "10,000 clients": (Shape(clients=10_000, cohort=100), 23_000),
}
"""How large each federation is, and how many events its ledger has."""

_SHOWN = Shown(ClientQuery())
"""What a page looks at when it opens."""


def measure_page() -> None:
    """Print what the first document, a closed round and a changed gate cost."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    print(f"{'':<16}{'first, s':>9}{'first':>10}{'gzip':>9}{'a round':>9}{'a gate':>9}")
    for name, (shape, events) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(home=Path(folder), redis_url="redis://127.0.0.1:9/0")
            print(f"{name:<16}{_row(settings, shape, events)}", flush=True)


def _row(settings: Settings, shape: Shape, events: int) -> str:
    writer = open_ledger(settings.ledger, settings.clock)
    ledger = LongLedger(writer, shape)
    ledger.grow(events)
    source = LedgerSource(settings)
    begun = time.process_time()
    first = _text(_document(source))
    took_s = time.process_time() - begun
    round_ = _change(source, ledger.hold_round)
    gate = _change(source, lambda: ledger.judge(shape.names[3]))
    source.close()
    writer.close()
    sizes = [len(first), len(gzip.compress(first, 6)), round_, gate]
    widths = (10, 9, 9, 9)
    shown = [f"{show_bytes(n):>{width}}" for n, width in zip(sizes, widths, strict=True)]
    return f"{took_s:>9.2f}{''.join(shown)}"


def _document(source: LedgerSource) -> dict[str, Any]:
    return source.load_snapshot("run-1").document(_SHOWN)


def _change(source: LedgerSource, happen: Callable[[], None]) -> int:
    """Return how many bytes a page receives for what happens."""
    before = _document(source)
    happen()
    return len(_text(make_patch(before, _document(source))))


def _text(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
