"""Serves the page inside a real Flower."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import flower.options
import flower.urls
import pytest
from celery import Celery
from flower.app import Flower
from tornado.httpserver import HTTPServer
from tornado.options import options
from tornado.testing import bind_unused_port
from tornado.web import Application

from tasks.monitor import install
from tasks.monitor.feed import Feed
from tests.unit.tasks.monitor.flower_site import MadeUp, Serve, Site, Visit


@pytest.fixture
def _fresh_flower() -> Iterator[None]:
    """Take back what `install` and a test did to Flower's module-wide handlers and options."""
    handlers, settings = list(flower.urls.handlers), dict(flower.urls.settings)
    kept = {name: option._value for name, option in options._options.items()}
    callbacks = list(options._parse_callbacks)
    yield
    Flower.find_handler = Application.find_handler
    flower.urls.handlers[:] = handlers
    flower.urls.settings.clear()
    flower.urls.settings.update(settings)
    options._parse_callbacks[:] = callbacks
    for name, value in kept.items():
        options._options[name]._value = value


@pytest.fixture
def serve(_fresh_flower: None) -> Serve:
    def _serve(visit: Visit, *, poll_s: float = 0.02, refresh_s: float = 60, **chosen: Any) -> None:
        async def _run() -> None:
            source = MadeUp()
            feed = Feed(source, poll_s=poll_s, refresh_s=refresh_s)
            install(feed)
            for name, value in chosen.items():
                setattr(options, name, value)
            app = Flower(capp=Celery(broker="memory://"), options=options, **flower.urls.settings)
            socket, port = bind_unused_port()
            server = HTTPServer(app)
            server.add_socket(socket)
            try:
                await visit(Site(port, source, feed))
            finally:
                server.stop()
                await server.close_all_connections()
                app.executor.shutdown()

        asyncio.run(_run())

    return _serve
