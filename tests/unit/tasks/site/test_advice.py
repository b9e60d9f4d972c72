"""Advice that reaches a site lies in two files there, the newest alone."""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from common.clock import wall_now
from common.messages import AdviceNote
from common.settings import Settings
from tasks.site.advice import advise
from tasks.site.post import open_post


def note(card: str) -> dict[str, Any]:
    told = AdviceNote(client="north", at=wall_now(), card=card, figures={"lines": [{"saves": 2.5}]})
    return told.model_dump(mode="json")


@pytest.fixture(autouse=True)
def site(tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.site.post._open", {})
    open_post(Settings(home=tmp_path), "north")


def test_advice_is_kept_as_a_text_for_people_and_as_figures(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))
    advise(note("# Advice of yesterday\n"))
    with capture_logs() as logs:
        advise(note("# Advice for north: Wärme meiden\n"))
    assert [line["event"] for line in logs] == ["advice.received"]
    folder = tmp_path / "advice"
    assert sorted(path.name for path in folder.iterdir()) == ["north.json", "north.md"]
    text = (folder / "north.md").read_text(encoding="utf-8")
    assert text == "# Advice for north: Wärme meiden\n"
    assert json.loads((folder / "north.json").read_text()) == {"lines": [{"saves": 2.5}]}


def test_a_site_that_cannot_write_goes_on_working(tmp_path, monkeypatch):
    (tmp_path / "advice").write_text("a file where the folder would be")
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))
    with capture_logs() as logs:
        advise(note("# Advice\n"))
    assert [line["event"] for line in logs] == ["advice.not_kept"]
    assert (tmp_path / "advice").read_text() == "a file where the folder would be"
