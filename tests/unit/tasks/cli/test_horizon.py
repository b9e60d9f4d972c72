"""`fairwind plan --horizon` on a real ledger file: rounds to come above the gates, and why."""

import json
import sqlite3

import pytest
from click.testing import CliRunner, Result

from common import settings
from common.clock import GridClock
from scheduler.federation.opening import open_ledger
from scheduler.ledger.event import canonical, stamp
from scheduler.ledger.events import ClientIdleStated
from tasks.cli import fairwind
from tests.unit.scheduler.story import MINUTE, Story, spec


def story() -> Story:
    """Return a run of eight rounds, of which one is closed after a quarter of an hour."""
    told = Story("north", "south")
    told.start(spec(rounds=8, policy="all"))
    told.plan("north", "south")
    told.later(15 * MINUTE)
    told.answer("north")
    told.answer("south")
    told.close()
    return told


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))
    monkeypatch.setenv("FAIRWIND_SIGNAL", "typical_day")
    settings.load.cache_clear()
    path = tmp_path / "ledger.sqlite"
    open_ledger(f"sqlite:///{path}", GridClock()).close()
    yield path
    settings.load.cache_clear()


def write(path, told: Story) -> None:
    rows = [
        (e.seq, stamp(e.at), stamp(e.grid_at), e.kind, e.run, e.round, e.client,
         canonical(e.payload), e.prev_hash, e.hash)
        for e in told.events
    ]  # fmt: skip
    with sqlite3.connect(path) as connection:
        connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    connection.close()


def asked(*words: str) -> Result:
    return CliRunner().invoke(fairwind, ["plan", "--horizon", *words])


def test_the_next_rounds_are_drawn_above_the_gates_and_listed_with_reasons(ledger):
    write(ledger, story())
    told = asked("48h")
    assert told.exit_code == 0, told.output
    lines = told.output.splitlines()
    assert lines[1].startswith("rounds")
    assert lines[1].endswith("7 expected")
    assert lines[2].startswith("north")
    assert any("2 in FR" in line and "all invites every open client" in line for line in lines)
    assert "7 rounds of r expected:" in lines[-2]
    assert "run now would emit" in lines[-2]
    assert lines[-1].startswith("What waiting costs is unknown: no site states its idle watts")


def test_the_price_of_waiting_is_that_of_the_idle_watts_that_sites_state(ledger):
    told = story()
    told.tell(ClientIdleStated(idle_w=60.0), client="north")
    write(ledger, told)
    lines = asked("48h").output.splitlines()
    assert any(
        line.startswith("An hour of waiting costs 60 Wh (")
        and line.endswith("the idle power of 1 reserved site; 1 more does not state it "
                          "(FAIRWIND_IDLE_W).")
        for line in lines
    )  # fmt: skip
    costs = json.loads(asked("48h", "--json").output)["waiting_costs"]
    assert (costs["sites"], costs["unstated"], costs["idle_w"]) == (1, 1, 60.0)
    assert costs["idle_gco2eq_per_h"] > 0


def test_the_same_as_json(ledger):
    write(ledger, story())
    told = json.loads(asked("12", "--json").output)
    assert told["run"] == "r"
    assert [each["round"] for each in told["rounds"]] == [2, 3, 4, 5, 6, 7, 8]
    assert told["rounds"][0]["cohort"] == ["north", "south"]
    assert {len(gates) for gates in told["gates"].values()} == {12}


def test_without_a_run_the_gates_are_drawn_alone(ledger):
    write(ledger, Story("north"))
    told = asked("12")
    assert told.exit_code == 0
    assert "rounds" not in told.output
    assert json.loads(asked("12", "--json").output)["rounds"] == []


def test_a_wrong_number_of_hours_gets_one_line(ledger):
    write(ledger, Story("north"))
    told = asked("two")
    assert told.exit_code == 2
    assert "two" in told.output
    assert asked("97h").exit_code == 2


def test_a_plan_for_now_says_why_the_policy_waits(ledger, monkeypatch):
    monkeypatch.setenv("FAIRWIND_SIGNAL", "static")
    monkeypatch.setenv("FAIRWIND_THRESHOLD_GCO2EQ_PER_KWH", "2000")
    monkeypatch.setenv("FAIRWIND_CEILING_GCO2EQ_PER_KWH", "2000")
    settings.load.cache_clear()
    told = Story("north")
    told.enrol("east", "PL")
    told.join("east")
    told.start(spec(rounds=1, quorum=2, policy="fedzero", policy_options={"excess_quantile": 0.0}))
    write(ledger, told)
    said = CliRunner().invoke(fairwind, ["plan", "--run", "r"]).output
    assert (
        "A round due now would wait: clients without excess energy: 1, on the blocklist: 0." in said
    )
