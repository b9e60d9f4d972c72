"""A coordinator whose key is right, and what it wants is not: the site declines, and says why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from common import settings
from common.clock import GridClock, wall_now
from common.envelope import About
from common.hyperparameters import Hyperparameters
from common.messages import Assignment, BlobRef
from scheduler.ledger.events import AssignmentDeclined, RoundPlanned, UpdateAccepted
from tasks.cli import fairwind
from tasks.local.federation import site_name
from tests.integration.conftest import ODD_WORKLOADS
from tests.integration.fleet import Fleet, running_fleet

NUMBERS = count()
"""Each assignment is of a run of its own, so that its answer is found."""

OPTIONAL = "odd_workloads:optional"
HOUR = timedelta(hours=1)
CLOSED_NOW = f"{(wall_now().hour + 12) % 24:02}:00-{(wall_now().hour + 13) % 24:02}:00"

POLICY = """
runs = ["allowed-*"]
ceiling_gco2eq_per_kwh = 250
reading = "{folder}/now.json"
approve = "first"

[workloads]
digits = "any"
"{optional}" = "sha256:{nothing}"

[limits]
epochs = 5
steps = 50
examples = 10_000
model_mb = 10

[leaves]
metrics = ["accuracy"]
counts = "bucketed"
"""


class Guarded:
    """The site with a policy, its files, and what its administrator does there."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.folder = fleet, fleet.local.folder
        self.file = self.folder / "site.toml"

    def write(self, text: str = POLICY, *, intensity: float = 100.0) -> None:
        write(self.folder, text, intensity=intensity)

    def site(self, *args: str) -> str:
        """Run a command of the administrator, which reaches nothing but the site's folder."""
        env = {
            "FAIRWIND_HOME": str(self.folder / "sites" / "guarded"),
            "FAIRWIND_REDIS_URL": "redis://127.0.0.1:9/0",
        }
        settings.load.cache_clear()
        done = CliRunner(env=env).invoke(fairwind, ["site", *args])
        assert done.exit_code == 0, done.output
        return done.stdout

    def tasks(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.site("history", "--json"))
        return found

    def ask(self, **changes: Any) -> dict[str, Any]:
        """Send an assignment as only the coordinator can; return what the site noted of it."""
        now, run = wall_now(), f"allowed-{next(NUMBERS)}"
        fields: dict[str, Any] = {
            "run": run, "round": 1, "client": "guarded", "attempt": 0, "workload": "digits",
            "hyperparameters": Hyperparameters(), "seed": 0, "clock": GridClock(), "sent_at": now,
            "model": BlobRef(key="absent", sha256="0" * 64, nbytes=1), "issued_at": now,
            "valid_until": now + HOUR, "intensity_gco2eq_per_kwh": 0.0,
        }  # fmt: skip
        work = Assignment(**(fields | changes))
        sealed = self.fleet.coordinator_signer().seal(
            "train", "client.guarded", work, about=About(run=work.run), now=now
        )
        self.fleet.put("train", "client.guarded", sealed.model_dump(mode="json"))

        def noted() -> list[dict[str, Any]]:
            return [
                t for t in self.tasks() if t["run"] == work.run and t["outcome"] != "unfinished"
            ]

        self.fleet.wait(noted, f"the site's answer to {work.run}")
        return noted()[-1]


def write(folder: Path, text: str = POLICY, *, intensity: float = 100.0) -> None:
    filled = text.replace("{folder}", str(folder)).replace("{optional}", OPTIONAL)
    partial = folder / "site.part"
    partial.write_text(filled.replace("{nothing}", "0" * 64))
    partial.replace(folder / "site.toml")
    reading = {"gco2eq_per_kwh": intensity, "at": wall_now().isoformat()}
    (folder / "now.part").write_text(json.dumps(reading))
    (folder / "now.part").replace(folder / "now.json")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two sites: guarded has a policy file, and north has none."""
    folder = tmp_path_factory.mktemp("hostile") / "federation"
    folder.mkdir()
    (folder / "odd_workloads.py").write_text(ODD_WORKLOADS.read_text())
    write(folder)
    with running_fleet(
        folder,
        {"north": "NO-NO1", "guarded": "FR"},
        settings={
            "FAIRWIND_STATIC_GCO2EQ_PER_KWH": '{"NO-NO1": 20, "FR": 50}',
            "FAIRWIND_WORKLOADS": f"digits,{OPTIONAL}",
        },
        sites={"guarded": {"FAIRWIND_SITE_POLICY": str(folder / "site.toml")}},
    ) as started:
        yield started


@pytest.fixture
def guarded(fleet: Fleet) -> Guarded:
    found = Guarded(fleet)
    found.write()
    return found


def approve(guarded: Guarded) -> None:
    settings.load.cache_clear()
    guarded.site("approve", "digits")


# --- what the coordinator's own screens show ----------------------------------------------------


def test_the_first_run_of_a_workload_waits_for_approval_and_is_then_sent_again(
    guarded: Guarded, fleet: Fleet
) -> None:
    fleet.start_run("allowed-first", rounds=1, quorum=2)
    declined = fleet.wait_event(AssignmentDeclined, "allowed-first", client="guarded")
    assert declined.work.reason is not None
    assert declined.work.reason.code == "awaits_approval"
    assert declined.work.reason.text.endswith("at the site: fairwind site approve digits")
    (waits,) = json.loads(guarded.site("waiting", "--json"))
    assert (waits["workload"], waits["run"]) == ("digits", "allowed-first")
    assert waits["source"] == guarded.site("hash", "digits").strip()
    fleet.wait(  # not while it is just being invited again
        lambda: "fairwind site approve digits" in fleet.local.fairwind("clients").stdout,
        "the remedy among the clients",
    )
    assert "is approved at guarded" in guarded.site("approve", "digits")
    fleet.wait_ended("allowed-first")
    assert set(fleet.run("allowed-first").closed[0].cohort) == {"north", "guarded"}
    assert guarded.site("waiting") == "Nothing waits for approval.\n"


def test_nothing_leaves_but_what_the_policy_names(guarded: Guarded, fleet: Fleet) -> None:
    approve(guarded)
    fleet.start_run("allowed-leaves", rounds=1, quorum=2, evaluate="sites")
    fleet.wait_ended("allowed-leaves")
    works = {
        event.client: event.payload.work
        for event in fleet.events("update.accepted", "allowed-leaves")
        if isinstance(event.payload, UpdateAccepted)
    }
    assert works["north"].loss is not None
    assert works["guarded"].loss is None
    examples = works["guarded"].examples
    assert examples & (examples - 1) == 0, f"{examples} is no power of two"
    answered = [t for t in guarded.tasks() if t["run"] == "allowed-leaves"]
    assert answered
    left = json.loads(guarded.site("egress", "--json"))["receipt"]
    assert set(left["metrics"]) <= {"accuracy"}
    assert (left["loss"], left["utility"], left["num_steps"]) == (None, None, None)
    assert left["flops_per_example"] is None
    assert left["policy"] == json.loads(guarded.site("policy", "--json"))["version"]


def test_a_run_that_asks_for_too_much_is_declined_once_and_the_others_go_on(
    guarded: Guarded, fleet: Fleet
) -> None:
    approve(guarded)
    fleet.start_run("allowed-much", rounds=3, quorum=1, epochs=6)
    declined = fleet.wait_event(AssignmentDeclined, "allowed-much", client="guarded")
    assert declined.work.reason is not None
    assert declined.work.reason.code == "over_limits"
    fleet.wait_ended("allowed-much")
    asked = [p.cohort for p in fleet.payloads(RoundPlanned, "allowed-much")]
    assert sum("guarded" in cohort for cohort in asked) == 1
    shown = fleet.local.fairwind("run", "show", "allowed-much", "--sites").stdout
    assert "north" in shown
    client = fleet.state().clients["guarded"]
    assert client.unanswered == 0, "a decline is an answer, no failure"


def test_an_edited_policy_ends_the_back_off_of_a_decline_without_a_restart(
    guarded: Guarded, fleet: Fleet
) -> None:
    approve(guarded)
    begun = fleet.local.processes.pid(site_name("guarded"))
    fleet.start_run("allowed-later", rounds=1, quorum=2, epochs=6)
    fleet.wait_event(AssignmentDeclined, "allowed-later", client="guarded")
    guarded.write(POLICY.replace("epochs = 5", "epochs = 6").replace("steps = 50", "steps = 500"))
    fleet.wait_ended("allowed-later")
    assert set(fleet.run("allowed-later").closed[0].cohort) == {"north", "guarded"}
    edited = json.loads(guarded.site("policy", "--json"))["version"]
    assert fleet.state().clients["guarded"].policy == edited
    assert fleet.local.processes.pid(site_name("guarded")) == begun


def test_a_run_that_the_policy_does_not_name_is_declined(guarded: Guarded, fleet: Fleet) -> None:
    approve(guarded)
    fleet.start_run("other", rounds=1, quorum=1)
    declined = fleet.wait_event(AssignmentDeclined, "other", client="guarded")
    assert declined.work.reason is not None
    assert declined.work.reason.text == (
        "its site policy allows no run named other; add it to runs there"
    )
    fleet.wait_ended("other")


# --- what no screen of an honest coordinator would send -----------------------------------------

AHEAD = GridClock(wall_start=wall_now(), grid_start=wall_now() + 12 * HOUR)
HUGE = BlobRef(key="huge", sha256="0" * 64, nbytes=2**49)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"clock": AHEAD, "valid_until": wall_now() + 48 * HOUR}, "other_clock"),
        ({"hyperparameters": Hyperparameters(epochs=10_000, batch_size=1)}, "over_limits"),
        ({"hyperparameters": Hyperparameters(epochs=5, batch_size=1)}, "over_limits"),
        ({"hyperparameters": Hyperparameters(steps=1_000_000)}, "over_limits"),
        ({"hyperparameters": Hyperparameters(steps=50, batch_size=10**9)}, "over_limits"),
        ({"model": HUGE}, "over_limits"),
        ({"frozen": HUGE}, "over_limits"),
        ({"correction": HUGE}, "over_limits"),
        ({"workload": OPTIONAL}, "workload_changed"),
        ({"workload": "breast_cancer"}, "workload_not_allowed"),
        ({"workload": "os:system"}, "workload_not_allowed"),
        ({"run": "Allowed-x"}, "run_not_allowed"),
        ({"valid_until": wall_now() - HOUR}, "too_late"),
    ],
    ids=[
        "clock",
        "epochs",
        "steps of epochs",
        "steps",
        "examples",
        "model",
        "frozen",
        "correction",
        "source",
        "workload",
        "no workload",
        "run",
        "hour",
    ],
)
def test_an_assignment_beyond_the_policy_is_declined_and_nothing_is_done(
    changes: dict[str, Any], code: str, guarded: Guarded
) -> None:
    approve(guarded)
    noted = guarded.ask(**changes)
    assert (noted["outcome"], noted["reason_code"]) == ("declined", code)
    assert noted["energy_wh"] is None
    assert noted["sent_nbytes"] == 0


def test_an_intensity_of_zero_does_not_pass_the_sites_own_reading(guarded: Guarded) -> None:
    approve(guarded)
    guarded.write(intensity=900.0)
    noted = guarded.ask(intensity_gco2eq_per_kwh=0.0)
    assert (noted["outcome"], noted["reason_code"]) == ("declined", "above_site_ceiling")
    (guarded.folder / "now.json").unlink()
    noted = guarded.ask(intensity_gco2eq_per_kwh=0.0)
    assert "its grid is unknown (its own reading cannot be read" in noted["reason"]


def test_the_policy_is_read_anew_for_each_assignment(guarded: Guarded, fleet: Fleet) -> None:
    approve(guarded)
    begun = fleet.local.processes.pid(site_name("guarded"))
    assert guarded.ask()["reason_code"] == "model_missing", "it was accepted, and no model came"
    guarded.write(f'hours = ["{CLOSED_NOW}"]')
    assert guarded.ask()["reason_code"] == "outside_site_windows"
    guarded.write("hours = [22")
    noted = guarded.ask()
    assert noted["reason_code"] == "policy_unreadable"
    assert "is not TOML" in guarded.site("status")
    assert "policy.not_read" in fleet.log(site_name("guarded"))
    guarded.write()
    assert guarded.ask()["reason_code"] == "model_missing"
    assert fleet.local.processes.pid(site_name("guarded")) == begun


def test_the_other_site_works_on(guarded: Guarded, fleet: Fleet) -> None:
    guarded.write("runs = []")
    fleet.start_run("last", rounds=2, quorum=1)
    run = fleet.wait_ended("last")
    assert [round_.cohort for round_ in run.closed] == [("north",), ("north",)]
