"""Who evaluates the versions of a run: the coordinator on its test data, its sites, or both."""

from __future__ import annotations

from common.errors import WorkloadError
from common.evaluate import Evaluate
from models.workload import Workload, name_of


def coordinator_evaluates(
    workload: Workload, *, has_test_data: bool, evaluate: Evaluate | None
) -> bool:
    """Return whether the coordinator evaluates the versions of a run.

    Args:
        workload: The run's.
        has_test_data: Whether the coordinator has test data.
        evaluate: Who is to evaluate; `None` for the coordinator if it has test data, else sites.

    Raises:
        WorkloadError: If those who are to evaluate have no data for it.
    """
    if evaluate in ("coordinator", "both") and not has_test_data:
        msg = (
            f"The test_data of {name_of(workload)} returns None, so the coordinator cannot "
            "evaluate. Return test data there, or choose --evaluate sites."
        )
        raise WorkloadError(msg)
    if evaluate in ("sites", "both") and not callable(getattr(workload, "held_out_data", None)):
        msg = (
            f"The workload {name_of(workload)} defines no held_out_data, so no site can evaluate. "
            "Define held_out_data(client_id), or choose --evaluate coordinator."
        )
        raise WorkloadError(msg)
    return has_test_data and evaluate != "sites"
