"""`fairwind report` on a real ledger file: the golden run, printed, written and refused."""

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from common import settings
from common.clock import GridClock
from scheduler.federation.opening import open_ledger
from scheduler.ledger.event import canonical, stamp
from tasks.cli import fairwind
from tests.unit.scheduler.report.golden import golden


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """Write the golden run into a ledger file, with the times it has in the story."""
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))
    settings.load.cache_clear()
    path = tmp_path / "ledger.sqlite"
    open_ledger(f"sqlite:///{path}", GridClock()).close()
    rows = [
        (e.seq, stamp(e.at), stamp(e.grid_at), e.kind, e.run, e.round, e.client,
         canonical(e.payload), e.prev_hash, e.hash)
        for e in golden().events
    ]  # fmt: skip
    with sqlite3.connect(path) as connection:
        connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    connection.close()
    yield path
    settings.load.cache_clear()


def asked(*words: str) -> Result:
    return CliRunner().invoke(fairwind, ["report", *words])


def test_the_report_of_a_ledger_file_has_the_golden_figures(ledger, tmp_path):
    out = tmp_path / "out"
    told = asked("r", "--out", str(out))
    assert told.exit_code == 0
    assert "Operational emissions: 38.00 gCO2eq" in told.output
    assert "range: not quantified" in told.output
    assert "Electricity of the tasks: 260.0 Wh" in told.output
    assert "As booked at first: 37.00 gCO2eq" in told.output
    assert "Run r: waiting for clean power avoided 7.50 gCO2eq (19.5 %)" in told.output
    assert sorted(path.name for path in out.iterdir()) == [
        "bookings.csv", "figures.csv", "months.csv", "report.html", "report.json",
        "sites-by-month.csv",
    ]  # fmt: skip
    body = json.loads((out / "report.json").read_text("utf-8"))
    assert body["totals"]["gco2eq"] == pytest.approx(37.0)
    assert body["totals"]["all_gco2eq"] == pytest.approx(39.3916)
    assert body["provenance"]["head"] == golden().state.head
    months = (out / "months.csv").read_text("utf-8").splitlines()
    assert months[1].startswith("2026-07,6,1,500,400000,260,37,38,230,")
    assert "<td>38.50</td><td>7.50</td><td>19.5 %</td>" in (out / "report.html").read_text("utf-8")


def test_json_on_the_terminal_is_the_file_and_writes_nothing(ledger, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = asked("--json")
    assert json.loads(told.output)["totals"]["settled_gco2eq"] == pytest.approx(38.0)
    assert not (tmp_path / "fairwind-report").exists()


def test_a_target_is_part_of_the_report(ledger):
    told = asked("--json", "--target", "76")
    assert json.loads(told.output)["target_gco2eq"] == 76.0


def test_one_format_writes_one_kind_of_file(ledger, tmp_path):
    asked("--format", "csv", "--out", str(tmp_path / "out"))
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".csv"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["heart"], "There is no run 'heart'"),
        (["--since", "2030-01-01"], "No work was booked"),
        (["--since", "2026-08-01", "--until", "2026-07-01"], "--until is not after --since"),
        (["--target", "0"], "Invalid value for '--target'"),
        (["--since", "soon"], "Invalid value for '--since'"),
        (["--out", "/dev/null/x"], "cannot be written to /dev/null/x"),
    ],
)
def test_what_cannot_be_reported_is_one_clear_line(ledger, words, says):
    told = asked(*words)
    assert told.exit_code != 0
    assert says in told.output
    assert "Traceback" not in told.output


def test_no_report_is_made_of_an_altered_ledger(ledger: Path):
    with sqlite3.connect(ledger) as connection:
        connection.execute("DROP TRIGGER no_update")
        connection.execute("UPDATE events SET body = replace(body, '100', '10')")
    connection.close()
    assert "is not what was written, so no report is made" in asked().output
