"""The run of the demonstration is one that `fairwind run start` would start."""

from __future__ import annotations

import pytest

from tasks.local.demo import run_of
from tasks.local.scene import GREAT_BRITAIN, SIX_GRIDS, Scene


@pytest.mark.parametrize("scene", [SIX_GRIDS, GREAT_BRITAIN])
def test_demo_has_the_round_size_and_the_weights_of_run_start(scene: Scene) -> None:
    run = run_of(scene, rounds=24, clients=len(scene.zones))
    assert run.cohort == 5
    assert run.bias == "realised"
    assert run.rounds == 24
