"""What a server optimizer is."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from models.update import State


class ServerOptimizer(Protocol):
    """One step of the server, tensor by tensor, so that no second model is held in memory."""

    def apply(self, name: str, value: Tensor, mean_delta: Tensor, state: State) -> Tensor:
        """Return the new value of a parameter.

        Args:
            name: The parameter's name.
            value: Its value in the base model; not changed.
            mean_delta: The weighted mean of the clients' deltas, of the same shape, float32 or
                float64; not changed.
            state: The optimizer's tensors, those of this parameter under names of their own;
                changed in place. Empty before the first round.

        Returns:
            A tensor of the shape and dtype of `value`.
        """
