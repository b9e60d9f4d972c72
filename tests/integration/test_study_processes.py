"""Simulations in processes of their own: the same outcomes, and none is left behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from simulation.many import scenario_key, simulate_all
from simulation.run import simulate
from simulation.scenario.scenario import Scenario
from tests.unit.simulation.worlds import group, world

LEARNS: dict[str, Any] = {
    "workload": {"name": "digits", "split": {"kind": "iid"}},
    "clients": [group(count=4, num_examples=None, zone=["FR", "DE"], speed_jitter=0.3)],
    "signal": {"kind": "typical_day"},
    "gate": "off",
}


def learning(**changes: Any) -> Scenario:
    return world(**(LEARNS | changes))


def test_the_same_scenario_has_the_same_outcome_in_whichever_process():
    scenarios = [learning(seed=seed) for seed in (1, 2)]
    alone = [simulate(scenario) for scenario in scenarios]
    assert alone == simulate_all(scenarios, jobs=2)
    assert alone[0] != alone[1]
    assert alone[0].decisions != alone[1].decisions
    assert alone[0].version != alone[1].version


LONG = """
import sys
from pathlib import Path
from typing import Any
from simulation.many import simulate_all
from tests.unit.simulation.worlds import world

if __name__ == "__main__":
    run = {"policy": "all", "rounds": 100_000}
    first = [world(seed=9)]
    later = [world(seed=seed, run=run) for seed in range(4)]
    print("begun", flush=True)
    simulate_all(first + later, jobs=2, cache=Path(sys.argv[1]))
"""


def test_an_interrupted_study_leaves_no_process_and_goes_on_from_there(tmp_path):
    script = tmp_path / "study.py"
    script.write_text(LONG)
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, script, tmp_path / "kept"], env={"PYTHONPATH": root},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    ) as study:  # fmt: skip
        while not list((tmp_path / "kept").glob("*.json")):
            assert study.poll() is None
            time.sleep(0.05)
        children = psutil.Process(study.pid).children(recursive=True)
        study.send_signal(2)
        study.wait(60)
    gone, alive = psutil.wait_procs(children, timeout=30)
    assert (len(gone) >= 2, alive) == (True, [])
    assert [path.stem for path in (tmp_path / "kept").glob("*.json")] == [
        scenario_key(world(seed=9))
    ]
