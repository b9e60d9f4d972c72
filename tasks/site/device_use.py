"""How a site's work uses its device: whether it can at all, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from common.log import get_logger
from common.messages import Assignment, Reason
from models.device import Device, nondeterministic, release_memory

_log = get_logger(__name__)


def unfit(device: Device, assignment: Assignment) -> Reason | None:
    """Return why a device cannot train in the precision of a run; `None` if it can."""
    precision = assignment.hyperparameters.precision
    why = None if assignment.evaluates else device.unfit.get(precision)
    if why is None:
        return None
    text = (
        f"its device, {device.name}, cannot train in {precision}: {why}; start a run with another "
        "--precision, or set FAIRWIND_DEVICE=cpu there"
    )
    return Reason(code="precision_unfit", text=text)


@contextmanager
def computing_on(device: Device, assignment: Assignment) -> Iterator[None]:
    """Log what in the block computes other bits each time; free the device's memory at its end."""
    if device.torch.type == "cpu":
        yield
        return
    try:
        with nondeterministic() as operations:
            yield
    finally:
        release_memory(device.torch)
    if operations:
        _log.warning(
            "training.not_deterministic", run=assignment.run, round=assignment.round,
            operations=sorted(operations),
            consequence="the same assignment, repeated here, gives slightly different bits",
        )  # fmt: skip
