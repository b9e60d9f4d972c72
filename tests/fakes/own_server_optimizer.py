"""A server optimizer that takes the options of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def clipped(
    value: Tensor, mean_delta: Tensor, state: dict[str, Tensor], options: Mapping[str, Any]
) -> Tensor:
    """Move no value by more than the option ``most``, in 0.5 of the way without it."""
    del state
    most = options.get("most")
    return value + (0.5 * mean_delta if most is None else mean_delta.clamp(-most, most))
