"""The feed: documents computed once for all pages, patches of what changed, faults as a line."""

from __future__ import annotations

import asyncio
import json
import math
import zlib
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from common.errors import LedgerError
from tasks.monitor import handlers
from tasks.monitor.channel import Channel, Listener, Version
from tasks.monitor.page.document import Shown, Snapshot
from tasks.monitor.page.query import ClientQuery
from tests.unit.tasks.monitor.flower_site import CLOCK, Serve, Site

FIRST_PAGE = Shown(clients=ClientQuery())


def test_data_is_the_whole_view_once(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        answer = await site.get("/rounds/data?run=digits-1")
        told = json.loads(answer.body)
        assert told["document"] == site.source.load_snapshot("digits-1").document(FIRST_PAGE)
        assert told["document"]["seq"] == 1
        assert told["clock_speed"] == 1
        assert told["now"] == pytest.approx(CLOCK.now().timestamp(), abs=60)
        assert answer.headers["Cache-Control"] == "no-store"
        assert site.source.computed == ["digits-1"] * 2, "once for the page, once here"

    serve(visit)


def test_a_late_page_sees_the_whole_run_at_once(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        async with site.events() as page:
            view = await page.view()
        assert view["curve"]["round"] == list(range(1, 13))
        assert len(view["zones"]["FR"]["values"]) == 29 * 4

    serve(visit)


def test_page_gets_a_new_view_when_the_ledger_grew(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        async with site.events() as page:
            assert (await page.view())["seq"] == 1
            site.source.seq = 2
            assert (await page.view())["seq"] == 2

    serve(visit)


def test_view_is_not_computed_again_while_the_ledger_rests(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        async with site.events() as page:
            await page.view()
            await asyncio.sleep(0.3)
            with pytest.raises(TimeoutError):
                await page.view(timeout_s=0.1)
        assert len(site.source.computed) == 1

    serve(visit)


def test_what_the_ledger_does_not_hold_is_read_again_and_sent_where_it_changed(
    serve: Serve,
) -> None:
    async def visit(site: Site) -> None:
        async with site.events() as page:
            assert (await page.view())["seq"] == 1
            with pytest.raises(TimeoutError):  # it is read again, and nothing has changed
                await page.message(timeout_s=0.5)
            assert len(site.source.computed) > 1
            core = {**site.source.snapshot.core, "threshold": 150}
            site.source.snapshot = replace(site.source.snapshot, core=core)
            assert (await page.message())["patch"] == {"threshold": 150}

    serve(visit, refresh_s=0.1)


def test_pages_share_one_computation_per_run(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        async with site.events() as one, site.events() as two, site.events() as three:
            for page in (one, two, three):
                await page.view()
        assert len(site.source.computed) == 1

    serve(visit)


def test_requests_join_a_computation_under_way(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        site.source.may_answer.clear()
        waiting = [asyncio.create_task(site.get("/rounds/data")) for _ in range(5)]
        await asyncio.sleep(0.2)
        assert (await site.get("/workers")).code == 200, "Flower is held up"
        site.source.may_answer.set()
        answers = await asyncio.gather(*waiting)
        assert {answer.code for answer in answers} == {200}
        assert len(site.source.computed) == 1

    serve(visit)


def test_nothing_is_computed_for_pages_that_are_gone(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        async with site.events() as page:
            await page.view()
        await asyncio.sleep(0.2)
        computed = len(site.source.computed)
        site.source.seq = 2
        await asyncio.sleep(0.2)
        assert len(site.source.computed) == computed

    serve(visit)


def test_a_slow_page_gets_one_patch_for_all_that_changed() -> None:
    def version(name: str, **core: Any) -> Version:
        return Version(name, Snapshot({"seq": 1, **core}))

    channel = Channel()
    listener = Listener(channel, Shown(), None, resumes=False)
    channel.listeners.add(listener)
    channel.publish(version("a"))
    assert listener.message() == {"version": "a", "document": {"seq": 1}}
    channel.publish(version("b", verdict="waits", why="closed"))
    channel.publish(version("c", verdict="trains", why="closed"))
    change = {"verdict": "trains", "why": "closed"}
    assert listener.message() == {"version": "c", "base": "a", "patch": change}
    assert listener.message() is None


def test_a_page_that_comes_back_gets_what_changed_meanwhile(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        async with site.events() as page:
            await page.view()
            version = page.version
        site.source.seq = 2
        async with site.events(f"/rounds/events?base={version}") as page:
            message = await page.message()
            while "seq" not in message.get("patch", {}):  # first, its tables
                message = await page.message()
        assert message["patch"]["seq"] == 2
        assert "zones" not in message["patch"]

    serve(visit)


def test_a_browser_that_reconnects_by_itself_gets_no_table_twice(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        async with site.events() as page:
            await page.view()
        site.source.seq = 2
        async with site.events(headers=f"Last-Event-ID: {page.version}\r\n") as again:
            assert (await again.message())["patch"] == {"seq": 2}

    serve(visit)


def test_a_version_that_is_not_known_any_more_is_no_obstacle(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        async with site.events("/rounds/events?base=ffff-7") as page:
            assert (await page.message())["document"]["seq"] == 1

    serve(visit)


def test_a_page_without_news_gets_the_clocks_as_a_sign_of_life(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "HEARTBEAT_S", 0.05)

    async def visit(site: Site) -> None:
        async with site.events() as page:
            await page.view()
            assert set(await page.message()) == {"now", "clock_speed", "at"}

    serve(visit)


def test_a_stream_is_compressed_for_a_browser_and_still_flows(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
        async with site.stream(headers="Accept-Encoding: gzip\r\n") as (head, reader):
            assert b"Content-Encoding: gzip" in head
            text, received = b"", 0
            async with asyncio.timeout(5):
                while b'"document"' not in text or not text.endswith(b"\n\n"):
                    part = await reader.read(1 << 16)
                    received += len(part)
                    text += unzip.decompress(part)
        assert 2 * received < len(text)

    serve(visit)


def test_a_table_is_fetched_by_itself(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        answer = await site.get("/rounds/api/clients?q=fr&sort=grams")
        assert json.loads(answer.body)["clients"]["order"] == ["fr"]
        assert answer.headers["Cache-Control"] == "no-store"
        answer = await site.get("/rounds/api/rounds?sort=value&descending=false")
        assert json.loads(answer.body)["rounds"]["order"] == list(range(1, 13))

    serve(visit)


@pytest.mark.parametrize(
    "query",
    [
        "/rounds/api/clients?sort=colour",
        "/rounds/api/clients?page=0",
        "/rounds/api/rounds?gate=open",
        "/rounds/api/clients?q=" + "x" * 65,
        "/rounds/events?clients=page%3Dmany",
        "/rounds/data?rounds=sort%3D1",
    ],
)
def test_a_query_that_no_table_has_is_refused(serve: Serve, query: str) -> None:
    async def visit(site: Site) -> None:
        assert (await site.get(query)).code == 400
        assert site.source.computed == []

    serve(visit)


def test_a_page_gets_the_table_it_looks_at(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        query = "clients=sort%3Dintensity%26descending%3Dtrue&rounds="
        async with site.events(f"/rounds/events?{query}") as page:
            view = await page.view()
        assert view["clients"]["order"] == ["au-nsw", "de", "es", "ch", "fr", "no-no1"]
        assert view["rounds"]["order"][0] == 12

    serve(visit)


def test_missing_ledger_is_one_sentence_and_the_page_recovers(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        site.source.failure = LedgerError("There is no ledger at /x. Enrol a client first.")
        async with site.events() as page:
            problem = {"problem": "There is no ledger at /x. Enrol a client first."}
            assert await page.view() == problem
            assert await page.view() == problem  # tried again
            site.source.failure = None
            assert (await page.view())["verdict"] == "Training at fr."

    serve(visit, refresh_s=0.2)


def test_unforeseen_error_shows_no_traceback(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        site.source.failure = RuntimeError("secret of the house")
        with capture_logs() as logs:
            answers = [await site.get("/rounds/data") for _ in range(3)]
        assert [answer.code for answer in answers] == [200] * 3
        assert b"RuntimeError" in answers[0].body
        assert b"secret" not in answers[0].body
        assert [entry["event"] for entry in logs] == ["view.failed"], "logged once, not each time"

    serve(visit)


def test_diverged_metric_is_unknown_to_the_page(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        core = site.source.snapshot.core
        run = {"value": math.nan, "best": math.inf}
        site.source.snapshot = replace(site.source.snapshot, core={**core, "run": run})
        run = json.loads((await site.get("/rounds/data")).body)["document"]["run"]
        assert run == {"value": None, "best": None}

    serve(visit)


def test_impossible_run_name_is_refused(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        for path in ("/rounds/data", "/rounds/events"):
            assert (await site.get(f"{path}?run=%3Cscript%3E")).code == 400
        assert site.source.computed == []

    serve(visit)
