from __future__ import annotations

import re
from pathlib import Path

from simulation.run import simulate
from simulation.scenario.loading import load_scenario

PAGE = Path(__file__).parents[3] / "docs" / "simulation.md"


def test_the_scenario_of_the_page_runs(tmp_path):
    found = re.search(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    path = tmp_path / "mine.toml"
    path.write_text(found[1] if found else "")
    scenario = load_scenario(path)
    assert scenario.zones == ("DE", "FR", "GB", "PL", "SE-SE3")
    outcome = simulate(scenario.altered(run={"hours": 24}))
    assert len(outcome.rounds) > 6
