"""The Runs tab: every run in one row, and two of them side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from common.clock import GridClock
from common.errors import FederationError
from common.settings import Settings
from scheduler.federation.opening import open_ledger
from scheduler.ledger.event import Draft
from scheduler.ledger.events import RunStarted
from tasks.monitor.source import LedgerSource
from tests.unit.scheduler.story import spec
from tests.unit.tasks.monitor.flower_site import Serve, Site


def test_runs_and_comparisons_are_computed_when_they_are_looked_at(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        answer = await site.get("/rounds/runs")
        assert json.loads(answer.body) == {"runs": [{"id": "digits-1"}]}
        assert answer.headers["Cache-Control"] == "no-store"
        answer = await site.get("/rounds/comparison?first=a&second=b")
        assert json.loads(answer.body) == {"first": {"run": "a"}, "second": {"run": "b"}}
        assert site.source.computed == []

    serve(visit)


@pytest.mark.parametrize("query", ["", "?first=a", "?first=a&second=", "?first=a&second=%3Cb%3E"])
def test_a_comparison_of_no_possible_runs_is_refused(serve: Serve, query: str) -> None:
    async def visit(site: Site) -> None:
        assert (await site.get(f"/rounds/comparison{query}")).code == 400

    serve(visit)


def test_what_is_wrong_is_one_sentence(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        site.source.failure = FederationError("There is no run 'c'.")
        for path in ("/rounds/runs", "/rounds/comparison?first=a&second=c"):
            assert json.loads((await site.get(path)).body) == {"problem": "There is no run 'c'."}

    serve(visit)


@pytest.fixture
def source(tmp_path: Path) -> LedgerSource:
    home = Settings(home=tmp_path)
    with open_ledger(home.ledger, GridClock()).transaction() as tx:
        for run, policy in (("old", "random"), ("new", "fairwind")):
            tx.append(Draft(RunStarted(spec=spec(id=run, policy=policy)), run=run))
    return LedgerSource(home)


def test_the_newest_run_comes_first(source: LedgerSource) -> None:
    rows = source.load_runs()["runs"]
    assert [(row["id"], row["policy"], row["status"]) for row in rows] == [
        ("new", "fairwind", "starting"),
        ("old", "random", "starting"),
    ]
    assert rows[0]["rounds_total"] == 3
    assert "model" not in rows[0]


def test_two_runs_stand_side_by_side(source: LedgerSource) -> None:
    found = source.load_comparison("old", "new")
    assert (found["first"]["run"], found["second"]["run"]) == ("old", "new")
    assert found["differences"] == ({"name": "policy", "first": "random", "second": "fairwind"},)
    with pytest.raises(FederationError, match="no run 'newer'"):
        source.load_comparison("old", "newer")
