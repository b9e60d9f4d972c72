"""A worker's start and end in its site's audit trail."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from celery import signals

from common.clock import wall_now
from common.log import get_logger
from tasks.site.entry import Started, Stopped
from tasks.site.journal import Journal
from tasks.site.trail_heads import TrailHeads

_log = get_logger(__name__)


def record_worker(journal: Journal, heads: TrailHeads, incarnation: str) -> None:
    """Record that a worker has started, and, once it ends, that it has.

    Its end is signed: the trail leads there, whatever the last receipt brought to the coordinator.
    Where it cannot be recorded the worker runs on, and declines what it cannot record either.
    """

    def note(entry: Started | Stopped) -> None:
        try:
            journal.append(entry)
            heads.sign(journal.last)
        except OSError as error:
            _log.warning("journal.not_written", kind=entry.kind, reason=str(error))

    def ended(**_: Any) -> None:
        note(Stopped(at=wall_now(), incarnation=incarnation))

    note(Started(at=wall_now(), incarnation=incarnation, version=version("fairwind")))
    signals.worker_shutdown.connect(ended, weak=False)
