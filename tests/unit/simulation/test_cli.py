from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from common import settings
from tasks.cli import fairwind
from tests.unit.simulation.worlds import START

TOML = f"""
start = {START}
signal = {{ kind = "flat", gco2eq_per_kwh = 100 }}
run = {{ rounds = 3, quorum = 2, policy = "all" }}
workload = {{ name = "digits", split = {{ kind = "iid" }} }}
clients = [{{ count = 4, zone = "FR", power_w = 360, examples_per_s = 100 }}]
"""


@pytest.fixture
def toml(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(TOML)
    return str(path)


def call(*words: str):
    return CliRunner().invoke(fairwind, ["simulate", *words])


def test_a_table_says_what_each_policy_came_to(toml):
    done = call(toml, "--policy", "all", "--policy", "random", "--seeds", "2")
    assert done.exit_code == 0, done.output
    header, first, second, last = done.stdout.splitlines()
    assert header.split()[:3] == ["policy", "rounds", "took"]
    assert [first.split()[0], second.split()[0]] == ["all", "random"]
    assert "gCO2eq" in first
    assert last.startswith("Means of 2 seeds. Simulated in")


def test_waiting_has_columns_of_its_own_where_a_machine_is_reserved(tmp_path):
    path = tmp_path / "reserved.toml"
    hourly = TOML.replace("rounds = 3,", 'rounds = 3, cron = "0 * * * *",')
    path.write_text(hourly.replace("power_w = 360,", "power_w = 360, idle_w = 36,"))
    header, line, _ = call(str(path), "--no-learning").stdout.splitlines()
    assert header.split()[3:8] == ["emitted", "waiting", "with", "waiting", "wasted"]
    # Four machines wait until 1:00, 2:00 and 3:00: 12 h at 36 W less 12 works, 43 g.
    assert "43 gCO2eq" in line
    path.write_text(hourly)
    assert "waiting" not in call(str(path), "--no-learning").stdout.splitlines()[0]


def test_json_has_every_round(toml):
    done = call(toml, "--json", "--no-learning")
    (outcome,) = json.loads(done.stdout)
    assert [r["number"] for r in outcome["rounds"]] == [1, 2, 3]
    assert outcome["reason"] == "nothing is learned"


def test_a_ledger_can_be_read_by_the_other_commands(toml, tmp_path, monkeypatch):
    path = tmp_path / "home" / "ledger.sqlite"
    done = call(toml, "--ledger", str(path))
    assert done.exit_code == 0, done.output
    monkeypatch.setenv("FAIRWIND_HOME", str(path.parent))
    settings.load.cache_clear()  # as the next command, in a process of its own, would find it
    status = CliRunner().invoke(fairwind, ["status"])
    assert "Round 3/3" in status.stdout
    folder = tmp_path / "report"
    report = CliRunner().invoke(fairwind, ["report", "--out", str(folder)])
    assert report.exit_code == 0, report.output
    assert (folder / "report.html").exists()
    again = call(toml, "--ledger", str(path))
    assert (again.exit_code, "Name a new one" in again.output) == (1, True)
    several = call(toml, "--ledger", str(tmp_path / "other"), "--seeds", "2")
    assert (several.exit_code, "one run" in several.output) == (1, True)


def test_a_simulation_that_fails_leaves_no_ledger(toml, tmp_path):
    before = set(tmp_path.rglob("*"))
    path = str(tmp_path / "new" / "ledger.sqlite")
    assert call("demmo", "--ledger", path).exit_code == 1
    assert call(toml, "--policy", "gready", "--ledger", path).exit_code == 1
    assert call(toml, "--policy", f"{__name__}:raises", "--ledger", path).exit_code == 1
    assert set(tmp_path.rglob("*")) == before


def raises(_context):
    raise ZeroDivisionError


def test_what_is_wrong_is_told_in_one_line(toml):
    done = call("demmo")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "Did you mean demo?" in done.stderr
    done = call(toml, "--policy", "gready")
    assert (done.exit_code, "Did you mean greedy?" in done.stderr) == (1, True)


def test_the_command_line_loads_no_torch_until_something_is_simulated():
    code = (
        "import sys, click; from tasks.cli import fairwind; "
        "found = fairwind.get_command(click.Context(fairwind), 'simulate'); "
        "print(found is not None, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"
