"""FedAvg: the model moves by the mean of the deltas.

McMahan, Moore, Ramage, Hampson and Aguera y Arcas, "Communication-Efficient Learning of Deep
Networks from Decentralized Data", AISTATS 2017, https://arxiv.org/abs/1602.05629.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from models.update import State


@dataclass(frozen=True)
class FedAvg:
    """x <- x + eta * delta; with eta = 1 the weighted mean of the clients' models."""

    learning_rate: float

    def apply(self, name: str, value: Tensor, mean_delta: Tensor, state: State) -> Tensor:  # noqa: ARG002 - the protocol's
        """Return the new value of a parameter; see `ServerOptimizer.apply`. Keeps no state."""
        return (mean_delta * self.learning_rate).add_(value).to(value.dtype)
