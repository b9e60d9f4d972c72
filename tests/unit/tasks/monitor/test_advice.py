"""Advice is computed for one client, on request, and shown as text."""

from __future__ import annotations

import json
import re

import pytest

from common.errors import FederationError
from tasks.monitor.handlers import STATIC
from tests.unit.tasks.monitor.flower_site import (
    Serve,
    Site,
)


def test_advice_is_asked_for_by_client_and_never_in_a_view(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        await site.get("/rounds/data")
        assert site.source.advised == []
        answer = await site.get("/rounds/advice?client=no-no1")
        assert json.loads(answer.body)["client"] == "no-no1"
        assert answer.headers["Content-Type"].startswith("application/json")
        assert answer.headers["Cache-Control"] == "no-store"
        assert len(site.source.advised) == 1
        assert site.source.advised[0].startswith("rounds"), "worked out in the feed's own thread"
        assert site.source.computed == [None]

    serve(visit)


def test_advice_is_worked_out_anew_each_time(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        for _ in range(2):
            await site.get("/rounds/advice?client=fr")
        assert len(site.source.advised) == 2

    serve(visit)


def test_a_client_nobody_knows_is_one_sentence(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        site.source.failure = FederationError("No client 'x' is enrolled. Did you mean xx?")
        answer = await site.get("/rounds/advice?client=x")
        assert answer.code == 200
        assert json.loads(answer.body) == {"problem": "No client 'x' is enrolled. Did you mean xx?"}

    serve(visit)


@pytest.mark.parametrize("query", ["", "?client=", "?client=%3Cscript%3E", "?client=../x"])
def test_advice_for_no_possible_client_is_refused(serve: Serve, query: str) -> None:
    async def visit(site: Site) -> None:
        assert (await site.get(f"/rounds/advice{query}")).code == 400
        assert site.source.advised == []

    serve(visit)


def test_page_knows_where_to_ask_for_advice_under_a_prefix(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        text = (await site.get("/flower/rounds")).body.decode()
        assert 'data-advice="/flower/rounds/advice"' in text
        assert (await site.get("/flower/rounds/advice?client=fr")).code == 200

    serve(visit, url_prefix="flower")


def test_scripts_write_text_and_never_markup() -> None:
    for script in STATIC.glob("*.js"):
        text = script.read_text(encoding="utf-8")
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert way not in text, f"{script.name} uses {way}"


def test_the_page_has_every_element_that_its_scripts_ask_for() -> None:
    page = (STATIC.parent / "templates" / "rounds.html").read_text(encoding="utf-8")
    ids = set(re.findall(r'\bid="([^"]+)"', page))
    for script in STATIC.glob("*.js"):
        text = script.read_text(encoding="utf-8")
        asked = re.findall(r'\b(?:byId|put|showPairs|showFigure)\("([^"]+)"', text)
        assert set(asked) <= ids, script.name
