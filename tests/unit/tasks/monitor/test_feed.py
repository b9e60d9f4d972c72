"""The feed: views computed once for all pages, sent when they change, faults as one sentence."""

from __future__ import annotations

import asyncio
import json
import math

import pytest
from structlog.testing import capture_logs

from common.errors import LedgerError
from tasks.monitor.feed import Mailbox
from tests.unit.tasks.monitor.flower_site import (
    Serve,
    Site,
)


def test_data_is_the_whole_view_once(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        answer = await site.get("/rounds/data?run=digits-1")
        assert json.loads(answer.body) == {**site.source.view, "seq": 1}
        assert answer.headers["Cache-Control"] == "no-store"
        assert site.source.computed == ["digits-1"]

    serve(visit)


def test_a_late_page_sees_the_whole_run_at_once(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        async with site.events() as page:
            view = await page.view()
        assert len(view["rounds"]) == 12
        assert len(view["zones"][0]["times"]) == 29 * 4

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


def test_view_is_renewed_since_clocks_move(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        async with site.events() as page:
            for _ in range(3):
                assert (await page.view())["seq"] == 1

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


def test_a_slow_page_gets_the_newest_view_only() -> None:
    async def _run() -> None:
        mailbox = Mailbox()
        mailbox.put("old")
        mailbox.put("new")
        assert await mailbox.take(1) == "new"
        assert await mailbox.take(0.01) is None

    asyncio.run(_run())


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
        site.source.view["run"] = {"value": math.nan, "best": math.inf}
        run = json.loads((await site.get("/rounds/data")).body)["run"]
        assert run == {"value": None, "best": None}

    serve(visit)


def test_impossible_run_name_is_refused(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        for path in ("/rounds/data", "/rounds/events"):
            assert (await site.get(f"{path}?run=%3Cscript%3E")).code == 400
        assert site.source.computed == []

    serve(visit)
