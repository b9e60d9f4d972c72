"""A federation one of whose sites computes on another device, in mixed precision."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scheduler.ledger.events import UpdateAccepted
from tests.gpu import EACH
from tests.integration.fleet import assert_accounted_for, running_fleet

ZONES = {"north": "FR", "south": "DE"}
INTENSITIES = {"FAIRWIND_STATIC_GCO2EQ_PER_KWH": json.dumps(dict.fromkeys(ZONES.values(), 50))}


@pytest.mark.parametrize("device", EACH)
def test_sites_with_unlike_devices_train_one_model(device: str, tmp_path: Path) -> None:
    """The coordinator and south have no GPU, whatever north has; CUDA begins in north's child."""
    own = {"north": {"FAIRWIND_DEVICE": device}}
    with running_fleet(tmp_path / "fleet", ZONES, settings=INTENSITIES, sites=own) as fleet:
        fleet.start_run("half", rounds=2, quorum=2, precision="bf16", learning_rate=0.3)
        ended = fleet.wait_ended("half")
        assert ended.end_reason == "rounds"
        assert_accounted_for(fleet, "half")
        before, after = ended.first_evaluation, ended.last_evaluation
        assert before is not None
        assert after is not None
        first, last = before.metrics["loss"], after.metrics["loss"]
        assert first is not None
        assert last is not None
        assert last < 0.8 * first
        accepted = fleet.payloads(UpdateAccepted, "half")
        methods = [each.work.energy.method for each in accepted if each.work.energy is not None]
        assert len(methods) == 4
        on_gpu = [method for method in methods if "nvml" in method or "gpu unread" in method]
        assert len(on_gpu) == (0 if device == "cpu" else 2), methods
        shown = json.loads(fleet.local.fairwind("run", "show", "half", "--json").stdout)
        assert shown["spec"]["hyperparameters"]["precision"] == "bf16"
