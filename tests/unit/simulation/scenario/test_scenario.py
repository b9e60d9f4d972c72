from __future__ import annotations

import pytest

from common.errors import FairwindError
from simulation.run import simulate
from simulation.scenario.loading import load_scenario, shipped
from simulation.scenario.machines import MACHINES
from tests.unit.simulation.worlds import body, group, trace, world

WRONG = {
    "a misspelt key": ({"sead": 1}, "sead is not known: did you mean seed?"),
    "a misspelt key in a part": (
        {"gate": {"treshold_gco2eq_per_kwh": 1}},
        "gate.treshold_gco2eq_per_kwh is not known: did you mean threshold_gco2eq_per_kwh?",
    ),
    "a misspelt key of the run": (
        {"run": {"rounds": 1, "quorm": 2}}, "run.quorm is not known: did you mean quorum?",
    ),
    "a misspelt key of a client": (
        {"clients": [group(cuont=2)]}, "clients.0.cuont is not known: did you mean count?",
    ),
    "no clients": ({"clients": []}, "clients: tuple should have at least 1 item"),
    "a run without an end": ({"run": {}}, "would never end"),
    "a budget of zero": ({"run": {"grams": 0}}, "run.grams: input should be greater than 0, not 0"),
    "a name that is none": ({"name": "a b"}, "name: string should match pattern"),
    "a time without a zone": (
        {"start": "2022-05-02T00:00:00"}, "start: input should have timezone",
    ),
    "a trace without a file": ({"signal": {"kind": "trace"}}, "give its path"),
    "flat without a value": ({"signal": {"kind": "flat"}}, "give gco2eq_per_kwh"),
    "more power than any site has while it waits": (
        {"clients": [group(idle_w=150_000, pue=2)]}, "lower idle_w or pue",
    ),
    "a client without power": (
        {"clients": [{"zone": "FR", "examples_per_s": 1}]}, "give power_w and examples_per_s",
    ),
    "an unknown machine": (
        {"clients": [{"zone": "FR", "machine": "H200"}]}, "there is no machine 'H200'; choose T4",
    ),
    "no hours": ({"clients": [group(windows="night")]}, "'night' is no window of hours"),
    "half of a chance": ({"clients": [group(on_h=3)]}, "give both on_h and off_h"),
    "a quorum above the cohort": (
        {"run": {"rounds": 1, "cohort": 2, "quorum": 3}}, "lower the quorum",
    ),
    "the run's own id": ({"run": {"rounds": 1, "id": "x"}}, "run.id is not set here"),
    "an unknown policy": ({"run": {"rounds": 1, "policy": "gredy"}}, "Did you mean greedy?"),
    "an unknown option": (
        {"run": {"rounds": 1, "policy": "threshold", "policy_options": {"x": 1}}},
        "takes no parameter 'x'",
    ),
}  # fmt: skip

IMPOSSIBLE = {
    "a quorum above the federation": (
        {"run": {"rounds": 1, "quorum": 5}}, "Set run.quorum to 4 or less",
    ),
    "a deadline nobody can keep": (
        {"run": {"rounds": 1, "quorum": 2, "deadline_s": 0.5}}, "Set run.deadline_s to 1 or more.",
    ),
    "an unknown zone": (
        {"signal": {"kind": "typical_day"}, "clients": [group(zone="SE-SE5")]}, "Did you mean",
    ),
    "no examples": ({"clients": [group(num_examples=None)]}, "Give its group num_examples"),
    "a run that can never begin": (
        {"gate": {"ceiling_gco2eq_per_kwh": 50}}, "no round could be planned for 90 days",
    ),
    "an unknown workload": ({"workload": {"name": "digitz"}}, "no module 'digitz'"),
    "more clients than places": (
        {"workload": {"name": "digits", "split": {"kind": "natural"}}}, "no natural_split()",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_scenario_gets_one_clear_line(changes, said):
    with pytest.raises(FairwindError) as raised:
        world(**changes)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("changes", "said"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_cannot_be_simulated_gets_one_line_with_the_nearest_that_can(changes, said):
    with pytest.raises(FairwindError) as raised:
        simulate(world(**changes))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_gap_in_a_trace_is_found_before_anything_is_simulated(tmp_path):
    path = trace(tmp_path, {"FR": [*[50.0] * 30, None, 50.0, 50.0]}, start="2022-05-02")
    changes = {"signal": {"kind": "trace", "path": path}, "run": {"hours": 32}}
    with pytest.raises(FairwindError, match=r"FR at 2022-05-03 06:00, within.*run.hours to 30"):
        simulate(world(**changes))
    late = {**changes, "start": "2023-01-01T00:00:00Z"}
    with pytest.raises(
        FairwindError, match=r"at 2023-01-01 00:00, the start.*Start from 2022-05-02 00:00 to"
    ):
        simulate(world(**late))


def test_a_horizon_beyond_the_recorded_forecasts_is_refused(tmp_path):
    path = tmp_path / "recorded.csv"
    path.write_text(
        "zone,issued_at,timestamp,gCO2eq_per_kWh,actual_gCO2eq_per_kWh\n"
        "FR,2022-05-02T00:00Z,2022-05-02T00:00Z,60,50\n"
    )
    recorded = {"kind": "recorded", "path": path}
    run = {"rounds": 1, "policy": "green_window", "policy_options": {"horizon_h": 96}}
    forecast = {"mode": "recorded", "path": path}
    with pytest.raises(FairwindError, match=r"Set run.policy_options.horizon_h to 72 or less"):
        simulate(world(signal=recorded, forecast=forecast, run=run))


def test_a_file_is_found_beside_its_scenario_and_in_the_folder_of_data(tmp_path, monkeypatch):
    text = """
    start = 2022-05-02T00:00:00Z
    signal = { kind = "trace", path = "trace.csv" }
    run = { rounds = 1 }
    clients = [{ zone = "FR", machine = "T4", num_examples = 10 }]
    """
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "mine.toml").write_text(text)
    monkeypatch.delenv("FAIRWIND_DATA", raising=False)
    with pytest.raises(FairwindError, match=r"There is no file trace.csv.*FAIRWIND_DATA \(not set"):
        load_scenario(tmp_path / "one" / "mine.toml")
    trace(tmp_path, {"FR": [50.0] * 90})
    monkeypatch.setenv("FAIRWIND_DATA", str(tmp_path))
    found = load_scenario(tmp_path / "one" / "mine.toml")
    assert (found.name, found.signal.path) == ("mine", tmp_path / "trace.csv")
    own = trace(tmp_path / "one", {"FR": [50.0] * 90})
    assert load_scenario(tmp_path / "one" / "mine.toml").signal.path == own


def test_no_toml_and_an_unknown_name_are_told_in_one_line(tmp_path):
    (tmp_path / "no.toml").write_text("start = tomorrow")
    with pytest.raises(FairwindError, match="cannot be read"):
        load_scenario(tmp_path / "no.toml")
    with pytest.raises(FairwindError, match=r"Did you mean demo\?"):
        load_scenario("dmo")
    with pytest.raises(FairwindError, match="These ship: demo"):
        load_scenario("something-else")


@pytest.mark.parametrize("name", shipped())
def test_every_scenario_that_ships_can_be_read(name):
    assert load_scenario(name).description


def test_a_gate_that_is_off_lets_everybody_in():
    flat = {"kind": "flat", "gco2eq_per_kwh": 1500}
    assert len(simulate(world(signal=flat, gate="off")).rounds) == 3


def test_an_altered_scenario_is_checked_anew_and_keeps_the_rest():
    altered = world().altered(seed=7, run={"policy": "random"})
    assert (altered.run.seed, altered.run.policy, altered.run.quorum) == (7, "random", 2)
    assert altered.clients == world().clients
    with pytest.raises(ValueError, match="rounds"):
        world().altered(run={"rounds": 0})


def test_the_machines_have_the_published_figures():
    # FedZero: 10.98 batches of 10 a minute at 383 Ws each: 1.83 examples a second, 70.1 W.
    assert MACHINES["T4"] == (70.1, 1.83)
    assert MACHINES["V100"] == (299.4, 6.383)
    assert body()["clients"][0]["power_w"] == 360


def test_a_true_forecast_reaches_as_far_as_the_policy_looks():
    run = {"rounds": 1, "hours": 201, "policy": "oracle", "policy_options": {"horizon_h": 200}}
    with pytest.raises(FairwindError, match="surely reaches 96"):
        simulate(world(forecast={"mode": "ar1"}, run=run))
    assert simulate(world(forecast={"mode": "perfect"}, run=run)).end_reason == "rounds"
