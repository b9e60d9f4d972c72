"""What a workload's `metrics` returns, as the figures that a receipt and the ledger keep."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from common.errors import WorkloadError
from common.messages import LONGEST_METRIC_NAME, MAX_METRICS

Metrics = dict[str, float | None]
"""Figures by name; `None` is unknown: not finite, or returned as `None`."""

_SHOWN = 3


def finite(value: float) -> float | None:
    """Return a figure; `None` if it is NaN or infinite, so unknown."""
    return float(value) if math.isfinite(value) else None


def metric_values(returned: object) -> Metrics:
    """Return names and figures of what a workload's `metrics` returned, beside its loss.

    Args:
        returned: A mapping from names to numbers, to tensors or arrays of one number, or to `None`
            where a figure is not defined.

    Raises:
        WorkloadError: If it is none, holds too many of them or too long names.
    """
    if not isinstance(returned, Mapping):
        raise WorkloadError(_refused(f"a {type(returned).__name__}"))
    values = {_name(name): _figure(name, value) for name, value in returned.items()}
    most = MAX_METRICS - len({"loss"} - values.keys())
    if len(values) > most:
        surplus = list(values)[most:]
        listed = ", ".join(surplus[:_SHOWN]) + (", ..." if len(surplus) > _SHOWN else "")
        msg = (
            f"The workload's metrics returned {len(values)} figures, of which {most} can be kept "
            f"beside the loss, so its model was not scored. Leave out {len(surplus)}, for "
            f"instance {listed}."
        )
        raise WorkloadError(msg)
    return values


def _name(name: object) -> str:
    text = str(name)
    fits = 0 < len(text) <= LONGEST_METRIC_NAME and text.isprintable()
    if not fits or text.startswith("-"):  # --metric -mae asks for the least mae
        short = ascii(text[:LONGEST_METRIC_NAME])
        msg = (
            f"The workload's metrics returned the name {short} of {len(text)} characters, so its "
            f"model was not scored. Use 1 to {LONGEST_METRIC_NAME} printable characters, the first "
            "of them no -."
        )
        raise WorkloadError(msg)
    return text


def _figure(name: object, value: object) -> float | None:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(1)[0]
    if value is None:
        return None
    if isinstance(value, str | bytes | bytearray | complex):  # float would read some of them
        raise WorkloadError(_refused(f"a {type(value).__name__} for {name}"))
    try:
        return finite(float(value))  # type: ignore[arg-type] # whatever a user returns
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise WorkloadError(_refused(f"a {type(value).__name__} for {name}")) from error


def _refused(what: str) -> str:
    return (
        f"The workload's metrics returned {what}, which is no single figure, so its model was not "
        "scored. Return a dict of names and numbers, such as {'accuracy': 0.9}."
    )
