"""What a run that was would have come to under another policy, from its ledger alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from common.clock import GridClock
from common.errors import FederationError, SettingError
from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR, hour_start
from scheduler.federation.opening import FederationLedger, open_ledger
from scheduler.federation.run import Pause
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.event import Draft, Event
from scheduler.ledger.events import ClientEnrolled, ClientSilent, GridSettled
from simulation.counterfactual.from_ledger import read_recorded_run
from simulation.counterfactual.ledger_signal import LedgerSignal, Stretch, hourly
from simulation.counterfactual.replay import Counterfactual, ReplayedFigures, replay_under
from simulation.counterfactual.replay_table import headline, notes
from simulation.grids.signals import make_truth
from simulation.grids.truth import Truth, hour_of
from simulation.outcome import Outcome
from simulation.ports.journal import OnDisk
from simulation.ports.site import make_sites
from simulation.run import play, simulate
from simulation.scenario.scenario import ForecastPart, GatePart, Scenario
from tasks.cli import fairwind
from tests.unit.simulation.worlds import group, trace, world

PERFECT = ForecastPart(mode="perfect")

DAY = [100, 90, 80, 70, 60, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, 150, 160, 170, 180, 170,
       160, 150, 130, 110]  # fmt: skip


def played(folder: Path, scenario: Scenario) -> tuple[FederationLedger, Outcome]:
    """Simulate into a ledger on disk, as `fairwind simulate --ledger` does."""
    ledger = open_ledger(f"sqlite:///{folder / 'ledger.sqlite'}", GridClock())
    return ledger, simulate(scenario, journal=OnDisk(ledger, Blobs(folder / "blobs")))


def kept(folder: Path, scenario: Scenario) -> FederationLedger:
    return played(folder, scenario)[0]


def three_grids(folder: Path, **run: Any) -> Scenario:
    """Twelve rounds, one every two hours, of six clients, two of which sleep at night."""
    days = DAY * 14
    columns = {"FR": days, "DE": [3 * v for v in days], "ES": [v + 100 for v in days]}
    path = trace(folder, columns, start="2022-04-25")
    spec = {"rounds": 12, "quorum": 2, "cohort": 3, "cron": "0 */2 * * *"} | run
    return world(
        signal={"kind": "trace", "path": path}, run=spec, seed=4,
        gate={"threshold_gco2eq_per_kwh": 200},
        clients=[
            group(count=2, zone="FR", latency_s=20, examples_per_s=0.2),
            group(count=2, zone="DE", power_w=150, examples_per_s=0.1),
            group(count=2, zone="ES", windows="06-22", num_examples=300),
        ],
    )  # fmt: skip


def two_grids(folder: Path) -> FederationLedger:
    """One client at 100 g/kWh and one at 600; both train in each of three rounds."""
    scenario = world(
        signal={"kind": "flat", "gco2eq_per_kwh": {"FR": 100, "PL": 600}}, gate="off",
        run={"policy": "all", "rounds": 3, "quorum": 1, "cron": "0 * * * *", "deadline_s": 60},
        clients=[group(count=2, zone=["FR", "PL"])],
    )  # fmt: skip
    return kept(folder, scenario)


def seen(events: list[Event], *policies: str) -> Counterfactual:
    past = read_recorded_run(events, None, gate=GatePart.off())
    return replay_under(past, policies, PERFECT)


def figures(replay: Any) -> ReplayedFigures:
    assert replay.figures is not None, replay.why
    return replay.figures  # type: ignore[no-any-return]


@pytest.mark.parametrize("policy", ["all", "random", "fairwind"])
def test_the_same_policy_replayed_comes_to_what_happened(tmp_path, policy):
    scenario = three_grids(tmp_path, policy=policy)
    ledger, before = played(tmp_path, scenario)
    past = read_recorded_run(ledger.events(), None, gate=scenario.gate)
    replayed = play(
        past.scenario.altered(forecast={"mode": "perfect"}), past.sites(),
        Truth(past.signal, past.signal.zones()), family=past.family,
    )  # fmt: skip
    assert [r.cohort for r in replayed.rounds] == [r.cohort for r in before.rounds]
    assert [r.started_h for r in replayed.rounds] == [r.started_h for r in before.rounds]
    counterfactual = replay_under(past, [], PERFECT)
    assert figures(counterfactual.own).rounds == len(before.rounds) == 12
    assert counterfactual.happened.gco2eq == pytest.approx(before.gco2eq)
    assert counterfactual.error == pytest.approx(0, abs=0.02)
    assert figures(counterfactual.own).jain == pytest.approx(before.jain())


def test_a_pause_is_replayed_where_the_user_made_it(tmp_path):
    scenario = three_grids(tmp_path, policy="all")
    pause = Pause(scenario.start + 5.5 * HOUR, scenario.start + 13 * HOUR)
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", GridClock())
    before = play(
        scenario, make_sites(scenario), make_truth(scenario), pauses=[pause],
        journal=OnDisk(ledger, Blobs(tmp_path / "blobs")),
    )  # fmt: skip
    assert [r.started_h for r in before.rounds if 5.5 < r.started_h < 13] == []
    past = read_recorded_run(ledger.events(), None, gate=scenario.gate)
    assert past.run.pauses == (pause,)
    replayed = play(
        past.scenario.altered(forecast={"mode": "perfect"}), past.sites(),
        Truth(past.signal, past.signal.zones()), family=past.family, pauses=past.run.pauses,
    )  # fmt: skip
    assert [r.started_h for r in replayed.rounds] == [r.started_h for r in before.rounds]
    assert figures(replay_under(past, [], PERFECT).own).hours == before.rounds[-1].ended_h


def test_another_policy_emits_what_its_cohorts_would_have(tmp_path):
    counterfactual = seen(list(two_grids(tmp_path).events()), "threshold")
    # An update: 100 examples at 100 a second and 360 W, 0.1 Wh; 10 mg in FR and 60 mg in PL.
    assert counterfactual.happened.gco2eq == pytest.approx(3 * (0.01 + 0.06))
    assert figures(counterfactual.own).gco2eq == pytest.approx(3 * (0.01 + 0.06))
    (threshold,) = counterfactual.others
    # The policy's own threshold of 200 leaves PL out.
    assert figures(threshold).gco2eq == pytest.approx(3 * 0.01)
    assert figures(threshold).participations == {"FR-01": 3, "PL-01": 0}
    assert figures(threshold).jain == pytest.approx(0.5)
    assert figures(threshold).least_updates == 0
    assert headline(counterfactual) == (
        "With threshold instead of all these 3 rounds would have emitted 86 % less "
        "(30 mgCO2eq instead of 210 mgCO2eq), and taken as long."
    )
    assert any("data stay at the sites" in line for line in notes(counterfactual))


def test_more_is_called_more_and_the_same_the_same(tmp_path):
    counterfactual = seen(list(two_grids(tmp_path).events()), "random")
    # Without a cohort, random invites all who are open, as all does.
    assert "about as much (210 mgCO2eq instead of 210 mgCO2eq)" in headline(counterfactual)
    half = replace(counterfactual.happened, gco2eq=0.105)
    less = replace(counterfactual, happened=half, own=replace(counterfactual.own, figures=half))
    assert "100 % more (210 mgCO2eq instead of 105 mgCO2eq)" in headline(less)


def test_settled_intensities_go_before_those_told_at_the_time(tmp_path):
    ledger = two_grids(tmp_path)
    start = ledger.state().runs["world"].grid_started_at
    settled = [
        Reading("FR", at, at + HOUR, 150, "test", FLOW_TRACED, "measured")
        for at in (start + n * HOUR for n in range(5))
    ]
    with ledger.transaction() as tx:
        tx.append(Draft(GridSettled(readings={"FR": tuple(r.to_record() for r in settled)})))
    counterfactual = seen(list(ledger.events()), "threshold")
    assert counterfactual.happened.gco2eq == pytest.approx(3 * (0.015 + 0.06))
    assert figures(counterfactual.others[0]).gco2eq == pytest.approx(3 * 0.015)


def test_a_run_that_goes_on_is_replayed_up_to_its_last_closed_round(tmp_path):
    events = list(two_grids(tmp_path).events())
    second = next(e.seq for e in events if e.kind == "round.closed" and e.round == 2)
    counterfactual = seen(events[:second], "threshold")
    assert (counterfactual.happened.rounds, figures(counterfactual.own).rounds) == (2, 2)
    assert counterfactual.happened.gco2eq == pytest.approx(2 * 0.07)


def test_wall_seconds_are_stretched_to_the_grid_clocks(tmp_path):
    events = list(two_grids(tmp_path).events())
    start = events[0].at
    fast = [replace(e, at=start + (e.grid_at - start) / 10) for e in events]
    past = read_recorded_run(fast, None, gate=GatePart.off())
    assert past.scenario.run.deadline_s == pytest.approx(600)


def test_who_was_away_is_not_invited(tmp_path):
    events = list(two_grids(tmp_path).events())
    first = next(e for e in events if e.kind == "round.closed")
    gone = replace(first, payload=ClientSilent(), run="", round=0, client="FR-01")
    at = events.index(first) + 1
    counterfactual = seen([*events[:at], gone, *events[at:]], "random")
    assert figures(counterfactual.others[0]).participations == {"FR-01": 1, "PL-01": 3}


def test_who_was_never_there_is_left_out(tmp_path):
    events = list(two_grids(tmp_path).events())
    absent = replace(events[0], client="ES-01", payload=ClientEnrolled(zone="ES", num_examples=100))
    counterfactual = seen([absent, *events], "random")
    assert counterfactual.happened.participations == {"FR-01": 3, "PL-01": 3}
    assert figures(counterfactual.own).participations == {"FR-01": 3, "PL-01": 3}


def without_readings(events: list[Event], *hours: int) -> list[Event]:
    """Return the events but for what was told of some hours of the run; of all if none is named."""
    first = hour_of(events[0].grid_at)
    return [
        e for e in events
        if e.kind != "grid.read" or (hours and hour_of(e.grid_at) - first not in hours)
    ]  # fmt: skip


def test_a_gap_is_filled_counted_and_told(tmp_path):
    scenario = three_grids(tmp_path, policy="all")
    events = without_readings(list(kept(tmp_path, scenario).events()), 3)
    past = read_recorded_run(events, None, gate=scenario.gate)
    counterfactual = replay_under(past, [], PERFECT)
    # An odd hour, so no work is booked in it, of 25 in three zones: round 12 is due after a day.
    assert figures(counterfactual.own).assumed_hours == 3
    assert any("3 of 75 (all)" in line for line in notes(counterfactual))


def test_a_run_with_too_many_gaps_is_refused(tmp_path):
    scenario = three_grids(tmp_path, policy="all")
    events = without_readings(list(kept(tmp_path, scenario).events()))
    with pytest.raises(FederationError, match="more than a tenth"):
        read_recorded_run(events, None, gate=scenario.gate)


def test_a_policy_that_goes_on_where_nothing_is_known_is_not_told(tmp_path):
    scenario = three_grids(tmp_path, policy="all", rounds=4)
    past = read_recorded_run(kept(tmp_path, scenario).events(), None, gate=scenario.gate)
    (waits,) = replay_under(
        past, ["tests.unit.simulation.policies:every_other_day"], PERFECT
    ).others
    assert waits.figures is None
    assert "holds no carbon intensity for" in waits.why


def test_an_hour_that_lacks_is_as_the_day_before_else_as_the_hour_before():
    known = {"FR": {100: 50.0, 101: 60.0, 103: 70.0}}
    signal = LedgerSignal(known, FLOW_TRACED, start=99)
    told = {hour_of(r.start): r.gco2eq_per_kwh for r in
            signal.readings("FR", hour_start(98), hour_start(130))}  # fmt: skip
    assert 98 not in told
    assert (told[99], told[102], told[104], told[124], told[126]) == (50, 60, 70, 50, 70)
    assert signal.missing(99, 103) == 2


def test_the_week_before_the_ledger_begins_is_as_its_first_day():
    hours = dict(enumerate(map(float, range(30)), start=1000))
    signal = LedgerSignal({"FR": hours}, FLOW_TRACED, start=1000)
    week = signal.readings("FR", hour_start(1000 - 200), hour_start(1000))
    assert len(week) == 168
    assert [r.gco2eq_per_kwh for r in week[-24:]] == list(range(24))
    assert {r.quality for r in week} == {"stale"}


def test_an_hours_intensity_is_weighted_by_time():
    at = hour_start(100)
    half = timedelta(minutes=30)
    stretches = [Stretch(at, at + half, 100), Stretch(at + half, at + HOUR + half, 200)]
    assert hourly(stretches) == {100: 150, 101: 200}


def test_an_unknown_policy_is_told_at_once(tmp_path):
    past = read_recorded_run(two_grids(tmp_path).events(), None, gate=GatePart.off())
    with pytest.raises(SettingError, match="Did you mean greedy"):
        replay_under(past, ["gready"], PERFECT)


def call(*words: str):
    return CliRunner().invoke(fairwind, ["simulate", *words])


def test_the_command_shows_the_run_and_its_replays(tmp_path, monkeypatch):
    two_grids(tmp_path)
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))
    done = call("--from-ledger")
    assert done.exit_code == 0, done.output
    first, _, happened, same, *others = done.stdout.splitlines()
    assert first.startswith("With fairwind instead of all these 3 rounds would have emitted")
    assert happened.split()[:4] == ["the", "run", "all", "3"]
    assert same.startswith("the same, replayed")
    assert [line.split()[1] for line in others[:3]] == ["random", "threshold", "fairwind"]
    done = call("--from-ledger", "world", "--policy", "threshold", "--json")
    body = json.loads(done.stdout)
    assert body["happened"]["gco2eq"] == pytest.approx(0.21)
    assert body["others"][0]["emits_more_by"] == pytest.approx(-6 / 7)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from-ledger", "wrold"], "Did you mean world?"),
        (["--from-ledger", "--policy", "gready"], "Did you mean greedy?"),
        (["demo", "--from-ledger"], "Omit SCENARIO."),
        (["--from-ledger", "--seeds", "3"], "Omit --seeds."),
        ([], "name a scenario"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path, monkeypatch, words, said):
    two_grids(tmp_path)
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))
    done = call(*words)
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert said in done.stderr


def test_where_nothing_was_there_is_nothing_to_replay(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))
    done = call("--from-ledger")
    assert (done.exit_code, "There is no ledger" in done.stderr) == (1, True)
    events = list(two_grids(tmp_path).events())
    with pytest.raises(FederationError, match="holds no run"):
        seen(events[:1])
    started = next(e.seq for e in events if e.kind == "round.planned")
    with pytest.raises(FederationError, match="No round of world was closed"):
        seen(events[:started])
