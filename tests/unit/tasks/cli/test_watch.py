"""`fairwind status --watch`: shown again when something changed, and left by Ctrl-C."""

from collections.abc import Iterator
from typing import Any

import pytest

from tasks.cli import watch
from tasks.cli.watch import bar_lines, watch_status


def view(verdict: str, done: int) -> dict[str, Any]:
    run = {"rounds_done": done, "rounds_total": 4, "ended": None}
    return {"verdict": verdict, "notice": None, "run": run, "rounds": [], "clients": []}


def test_a_view_is_printed_again_only_when_it_has_changed(monkeypatch, capsys):
    monkeypatch.setattr(watch, "_LOOKS_EVERY_S", 0)
    first, second = view("Waiting.", 1), view("Training.", 2)
    seen: Iterator[dict[str, Any]] = iter([first, first, second, second])

    def look() -> dict[str, Any]:
        try:
            return next(seen)
        except StopIteration:
            raise KeyboardInterrupt from None

    shown: list[str] = []
    watch_status(look, lambda each: shown.append(each["verdict"]))
    assert shown == ["Waiting.", "Training."]
    assert " 50 %" in capsys.readouterr().out


@pytest.mark.parametrize("run", [None, {"rounds_done": 1, "rounds_total": None, "ended": None}])
def test_there_is_no_bar_without_a_number_of_rounds(run):
    assert bar_lines(run, pace_s=1.0) == []


def test_the_bar_fits_into_80_columns():
    run = {"rounds_done": 100, "rounds_total": 300, "ended": None}
    (line,) = bar_lines(run, pace_s=3599.0)
    assert len(line) <= 80
