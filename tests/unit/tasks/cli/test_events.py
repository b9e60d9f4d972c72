"""Every kind of event has a line that people can read; `fairwind events` filters them."""

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from common.clock import GridClock
from common.errors import LedgerError
from scheduler.federation.opening import open_ledger
from scheduler.ledger.event import Draft
from scheduler.ledger.events import (
    PAYLOADS,
    AssignmentReissued,
    ClientEnrolled,
    ClientSilent,
    GateChanged,
    GridRead,
    RoundClosed,
    RoundEvaluated,
    RoundPlanned,
    RunEnded,
    RunOpened,
    RunWaiting,
    SignalRecovered,
)
from tasks.cli import fairwind
from tasks.cli.base import ledger_to_read
from tasks.cli.event_text import TEXTS


def test_every_kind_of_event_has_its_line():
    assert set(TEXTS) == set(PAYLOADS)


NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SHA = "0123456789ab" + 52 * "0"


@pytest.mark.parametrize(
    ("payload", "line"),
    [
        (
            GateChanged(
                state="closed", since=NOON, reason="above_threshold",
                numbers={
                    "intensity_gco2eq_per_kwh": 641.0, "threshold_gco2eq_per_kwh": 200.0,
                    "ceiling_gco2eq_per_kwh": 1000.0,
                },
            ),
            "gate closed: 641 gCO2eq/kWh is above the threshold of 200; opens at 200 or below",
        ),
        (
            RoundPlanned(
                base_version=SHA, cohort=("a", "b", "c", "d", "e", "f"), target=4, deadline_s=60,
                valid_until=NOON, expected_gco2eq=0.00021,
            ),
            "planned: a, b, c, d and 2 more, about 210 ugCO2eq expected",
        ),
        (
            RoundClosed(
                version=SHA, energy_wh=0.00005, gco2eq=0.000021, baseline_gco2eq=0.000025,
                baseline_started=NOON, baseline_ended=NOON,
            ),
            "closed: 50 uWh, 21 ugCO2eq (run now: 25 ugCO2eq)",
        ),
        (
            RunWaiting(
                reason="too_few", codes={"a": "gate_closed", "b": "silent", "c": "gate_closed"}
            ),
            "waits, too few: 2 gate closed, 1 silent",
        ),
        (
            RoundEvaluated(metrics={"accuracy": 0.9123456, "loss": 0.3456789}),
            "scored: accuracy 91.2 %, loss 0.3457",
        ),
        (
            RunOpened(version=SHA, num_params=12_345, scored_here=True),
            "begun: 12,345 parameters, version 0123456789ab",
        ),
        (RunEnded(reason="grams"), "has ended: its gram budget is spent"),
        (GridRead(readings={"FR": None}), "FR unknown"),
        (
            AssignmentReissued(attempt=1, code="worker_restarted"),
            "assignment issued again: worker restarted, attempt 2",
        ),
    ],
)  # fmt: skip
def test_an_event_says_its_figures(payload, line):
    assert TEXTS[payload.kind](payload) == line


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite", GridClock())
    with ledger.transaction() as tx:
        tx.append(
            Draft(ClientEnrolled(zone="FR", num_examples=120), client="lyon"),
            Draft(ClientEnrolled(zone="NO-NO1"), client="oslo"),
            Draft(ClientSilent(), client="lyon"),
            Draft(SignalRecovered(zone="FR", active_source="neso")),
        )
    return tmp_path


def lines(*words: str) -> list[str]:
    done = CliRunner().invoke(fairwind, ["events", *words])
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def test_events_are_printed_one_a_line_with_their_figures(home):
    shown = lines()
    assert len(shown) == 4
    assert shown[0].split(maxsplit=3)[2:] == [
        "client.enrolled",
        "lyon                      enrolled in FR, at most 120 examples count",
    ]
    assert shown[3].endswith("FR: carbon source neso")


def test_events_are_filtered_by_client_kind_and_time(home):
    assert len(lines("--client", "lyon")) == 2
    assert len(lines("--kind", "client.*")) == 3
    assert len(lines("--client", "lyon", "--kind", "client.silent")) == 1
    assert len(lines("--since", "1h30")) == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("events", "--run", "none"), "There is no run 'none', so nothing was done."),
        (("ledger", "show", "--run", "none"), "There is no run 'none', so nothing was done."),
        (
            ("events", "--client", "oslo", "--client", "lion", "--follow"),
            "There is no client 'lion', so nothing was done. Did you mean lyon?",
        ),
    ],
)
def test_a_name_that_the_ledger_does_not_have_is_refused_in_one_line(home, words, said):
    done = CliRunner().invoke(fairwind, words)
    assert done.exit_code == 1
    assert said in done.stderr + str(done.exception)


def test_events_for_programs_are_json_objects_a_line(home):
    first = json.loads(lines("--json")[0])
    said = {name: value for name, value in first["body"].items() if value is not None}
    assert said == {"zone": "FR", "num_examples": 120}
    assert datetime.fromisoformat(first["at"]) <= datetime.now(UTC)


def test_who_follows_a_ledger_that_was_moved_learns_it(home):
    ledger = ledger_to_read()
    assert ledger.latest_seq() == 4
    (home / "ledger.sqlite").rename(home / "elsewhere")
    with pytest.raises(LedgerError, match=r"ledger\.sqlite was moved, deleted or replaced"):
        ledger.latest_seq()


def test_a_kind_that_no_event_has_is_refused_in_one_line(home):
    done = CliRunner().invoke(fairwind, ["events", "--kind", "round.opened"])
    assert done.exit_code == 2
    assert "There is no kind 'round.opened'" in done.stderr
