"""The examples of batches learn in a simulation as they do at real sites."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulation.outcome import Outcome
from simulation.run import simulate
from tests.unit.simulation.test_run import learning
from tests.unit.simulation.worlds import group

EXAMPLES = Path(__file__).parents[3] / "examples"


def simulated(name: str, **asked: object) -> Outcome:
    return simulate(
        learning(
            workload={"name": name, "split": {"kind": "own"}},
            clients=[group(count=2, num_examples=None)],
            run={"policy": "all", "rounds": 2, "quorum": 2, **asked},
        )
    )


@pytest.mark.parametrize(
    ("name", "asked", "figures"),
    [
        ("reviews", {"metric": "accuracy"}, {"loss", "accuracy"}),
        ("segmentation", {"metric": "dice"}, {"loss", "dice", "iou"}),
        ("sensors", {"metric": "mae"}, {"loss", "mae"}),
    ],
)
def test_an_example_is_trained_and_scored(
    name: str,
    asked: dict[str, object],
    figures: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(EXAMPLES / name))
    outcome = simulated(name, **asked)
    assert [set(closed.metrics or {}) for closed in outcome.rounds] == [figures, figures]
    first, last = ((closed.metrics or {})["loss"] for closed in outcome.rounds)
    assert first is not None
    assert last is not None
    assert last < first
