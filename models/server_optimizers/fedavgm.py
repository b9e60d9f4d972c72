"""FedAvgM: FedAvg with momentum on the server.

Hsu, Qi and Brown, "Measuring the Effects of Non-Identical Data Distribution for Federated Visual
Classification", 2019, section 4.1, https://arxiv.org/abs/1909.06335.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.update import State


@dataclass(frozen=True)
class FedAvgM:
    """m <- beta m + delta; x <- x + eta m.

    In a steady direction a step is eta / (1 - beta) times the mean delta: with beta = 0.9 an eta of
    0.1 moves as far as FedAvg does.
    """

    learning_rate: float
    momentum: float

    def apply(self, name: str, value: Tensor, mean_delta: Tensor, state: State) -> Tensor:
        """Return the new value of a parameter; see `ServerOptimizer.apply`."""
        if f"m.{name}" not in state:
            state[f"m.{name}"] = torch.zeros_like(mean_delta)
        m = state[f"m.{name}"].mul_(self.momentum).add_(mean_delta)
        return (m * self.learning_rate).add_(value).to(value.dtype)
