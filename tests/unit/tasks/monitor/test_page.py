"""The page is a tab of Flower, loads nothing from elsewhere, and its scripts write text only."""

from __future__ import annotations

import re

import flower.options
import flower.urls
import pytest
from structlog.testing import capture_logs

from tasks.monitor import install
from tasks.monitor.overlay import with_tab
from tests.unit.tasks.monitor.flower_site import (
    Serve,
    Site,
)


def test_page_is_a_tab_of_flower(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        answer = await site.get("/rounds")
        text = answer.body.decode()
        assert answer.code == 200
        assert re.search(r'nav-link active"\s+href="/rounds"\s+aria-current="page">Rounds<', text)
        assert text.index(">Broker</a>") < text.index(">Rounds</a>")
        assert 'data-events="/rounds/events"' in text

    serve(visit)


def test_every_page_of_flower_has_the_tab(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        for path in ("/workers", "/tasks"):
            assert 'href="/rounds"' in (await site.get(path)).body.decode()

    serve(visit)


def test_page_loads_nothing_from_other_hosts(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        answer = await site.get("/rounds")
        loaded = re.findall(r'(?:<script[^>]* src|<link[^>]* href)="([^"]+)"', answer.body.decode())
        assert "/rounds/static/rounds.js" in loaded
        assert all(address.startswith("/") for address in loaded)
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        for address in loaded:
            assert (await site.get(address)).code == 200, address

    serve(visit)


def test_a_script_is_asked_for_again_after_an_upgrade(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        answer = await site.get("/rounds/static/rounds.js")
        assert answer.headers["Cache-Control"] == "no-cache"
        again = await site.get(
            "/rounds/static/rounds.js", headers={"If-None-Match": answer.headers["Etag"]}
        )
        assert again.code == 304

    serve(visit)


def test_assets_stay_in_their_folder(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        assert (await site.get("/rounds/static/../install.py")).code in {403, 404}
        assert (await site.get("/rounds/static/%2e%2e/install.py")).code in {403, 404}

    serve(visit)


def test_changed_navigation_bar_is_left_as_it_is_and_said_so() -> None:
    with capture_logs() as logs:
        assert with_tab("<nav>something new</nav>") == "<nav>something new</nav>"
    assert [entry["event"] for entry in logs] == ["tab.left_out"]


@pytest.mark.usefixtures("_fresh_flower")
def test_installing_twice_changes_nothing() -> None:
    install()
    handlers = list(flower.urls.handlers)
    install()
    assert flower.urls.handlers == handlers
