"""The Flower app of the examples trains in real workers, to the bit as in a simulation."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("flwr", reason="flwr is not installed: pip install -e '.[flwr]'")

from scheduler.ledger.events import UpdateAccepted
from simulation.run import simulate
from tests.integration.fleet import assert_accounted_for, running_fleet
from tests.unit.simulation.test_run import learning
from tests.unit.simulation.worlds import group

APP = Path(__file__).parents[2] / "examples" / "flower" / "digits_app"
ROUNDS = 3


def test_flower_app_trains_as_in_a_simulation_and_its_versions_are_replayed(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "federation"
    folder.mkdir()
    settings = {"FAIRWIND_WORKLOADS": f"flower:{APP}"}
    zones = {"FR-01": "FR", "NO-NO1-01": "NO-NO1"}
    with running_fleet(folder, zones, settings=settings) as fleet:
        fleet.start_run(
            "r", f"flower:{APP}", rounds=ROUNDS, metric="eval_acc", option="local-epochs=2"
        )
        run = fleet.wait_ended("r")
        assert run.spec.workload == "flower:digits_app"
        works = fleet.payloads(UpdateAccepted, "r")
        # A fifth of each half of 1,797 images is held out.
        assert sorted({each.admission.num_examples for each in works}) == [719, 720]
        assert {each.work.num_steps for each in works} == {None}
        assert_accounted_for(fleet, "r")
    asked = {
        "policy": "all", "rounds": ROUNDS, "metric": "eval_acc",
        "options": {"local-epochs": 2},
    }  # fmt: skip
    simulated = simulate(
        learning(
            name="r", workload={"name": f"flower:{APP}", "split": {"kind": "own"}}, run=asked,
            clients=[group(count=1, zone=zone, num_examples=1000) for zone in ("FR", "NO-NO1")],
        )
    )  # fmt: skip
    scores = [closed.metrics["eval_acc"] for closed in simulated.rounds]
    assert scores[-1] is not None
    assert scores[-1] > 0.5
    assert simulated.version == run.version
