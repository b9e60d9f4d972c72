"""What the coordinator finds out about a workload before a run of it begins."""

from __future__ import annotations

import pytest

from common.errors import SettingError, WorkloadError
from scheduler.ledger.run_spec import RunSpec
from tasks.coordinator.workbench import Workbench

WORKLOAD = "tests.fakes.own_optimizer"
HALF = "tests.fakes.half_precision"
FROZEN = "tests.fakes.all_frozen"


@pytest.mark.parametrize("algorithm", ["fednova", "scaffold"])
def test_steps_of_unknown_length_are_refused_where_the_algorithm_needs_it(algorithm: str) -> None:
    spec = RunSpec.model_validate(
        {"id": "r", "workload": WORKLOAD, "rounds": 1, "algorithm": algorithm}
    )
    with pytest.raises(SettingError, match="remove the function optimizer from the workload"):
        Workbench((WORKLOAD,)).check_workload(spec)


def test_other_algorithms_take_any_optimizer() -> None:
    Workbench((WORKLOAD,)).check_workload(RunSpec(id="r", workload=WORKLOAD, rounds=1))


def test_a_model_of_16_bits_is_refused_before_a_run_in_mixed_precision_starts() -> None:
    spec = RunSpec.model_validate(
        {"id": "r", "workload": HALF, "rounds": 1, "hyperparameters": {"precision": "bf16"}}
    )
    with pytest.raises(WorkloadError, match=r"weight is float16, and bf16 trains float32"):
        Workbench((HALF,)).check_workload(spec)
    whole = {"hyperparameters": {"precision": "fp32"}}
    Workbench((HALF,)).check_workload(spec.model_validate(spec.model_dump() | whole))


def test_a_coordinator_whose_device_is_not_there_says_so_when_a_run_is_checked() -> None:
    with pytest.raises(SettingError, match="FAIRWIND_DEVICE is cuda:99, but "):
        Workbench((HALF,), device="cuda:99").check_workload(
            RunSpec(id="r", workload=HALF, rounds=1)
        )


def test_a_model_without_a_trained_parameter_is_refused_before_a_run_starts() -> None:
    with pytest.raises(WorkloadError, match="all_frozen has no parameter that is trained"):
        Workbench((FROZEN,)).check_workload(RunSpec(id="r", workload=FROZEN, rounds=1))
