"""Put the Rounds page into Flower, before Flower is made."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from prometheus_client import REGISTRY
from tornado.options import options
from tornado.routing import URLSpec

from tasks.monitor.feed import Feed
from tasks.monitor.guard import restrict
from tasks.monitor.handlers import (
    STATIC,
    Asset,
    RoundsAdvice,
    RoundsComparison,
    RoundsData,
    RoundsEvents,
    RoundsRuns,
    RoundsTable,
    RoundsView,
)
from tasks.monitor.metrics import LedgerCollector
from tasks.monitor.overlay import OverlayLoader
from tasks.monitor.shield import shield
from tasks.monitor.source import LedgerSource

PAGE: Final = "rounds"


def install(feed: Feed | None = None) -> None:
    """Add page, tab and feed to Flower, and keep Flower and other web pages apart.

    Call it from ``flowerconfig.py``. A second call changes nothing.

    Args:
        feed: Where the page's view comes from; the ledger that our settings name if `None`.
    """
    urls = import_module("flower.urls")
    if any(getattr(handler, "name", None) == PAGE for handler in urls.handlers):
        return
    restrict(options)
    shield(options, urls.settings)
    urls.settings["template_loader"] = OverlayLoader(urls.settings["template_path"])
    if feed is None:
        feed = Feed(LedgerSource())
        # Its own connection to the ledger: Prometheus is answered in another thread than the feed.
        REGISTRY.register(LedgerCollector(LedgerSource().state))
    urls.handlers[:0] = handlers(feed)


def handlers(feed: Feed) -> list[URLSpec]:
    """Return the page's addresses. Flower puts its own prefix before each."""
    return [
        URLSpec(r"/rounds", RoundsView, name=PAGE),
        URLSpec(r"/rounds/data", RoundsData, {"feed": feed}, name="rounds_data"),
        URLSpec(r"/rounds/api/(clients|rounds)", RoundsTable, {"feed": feed}, name="rounds_table"),
        URLSpec(r"/rounds/advice", RoundsAdvice, {"feed": feed}, name="rounds_advice"),
        URLSpec(r"/rounds/runs", RoundsRuns, {"feed": feed}, name="rounds_runs"),
        URLSpec(r"/rounds/comparison", RoundsComparison, {"feed": feed}, name="rounds_comparison"),
        URLSpec(r"/rounds/events", RoundsEvents, {"feed": feed}, name="rounds_events"),
        URLSpec(r"/rounds/static/(.*)", Asset, {"path": str(STATIC)}, name="rounds_static"),
    ]
