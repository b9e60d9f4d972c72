"""FedAdagrad, FedAdam and FedYogi: an adaptive step for each parameter.

Reddi, Charles, Zaheer, Garrett, Rush, Konecny, Kumar and McMahan, "Adaptive Federated
Optimization", ICLR 2021, algorithm 2, https://arxiv.org/abs/2003.00295.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.update import State


@dataclass(frozen=True)
class FedAdagrad:
    """Algorithm 2 of the paper: no bias correction, v starts at tau**2.

    m <- beta_1 m + (1 - beta_1) delta; v <- v + delta**2; x <- x + eta m / (sqrt(v) + tau).
    """

    learning_rate: float
    beta_1: float
    tau: float

    def apply(self, name: str, value: Tensor, mean_delta: Tensor, state: State) -> Tensor:
        """Return the new value of a parameter; see `ServerOptimizer.apply`."""
        if f"m.{name}" not in state:
            state[f"m.{name}"] = torch.zeros_like(mean_delta)
            state[f"v.{name}"] = torch.full_like(mean_delta, self.tau**2)
        m, v = state[f"m.{name}"], state[f"v.{name}"]
        m.mul_(self.beta_1).add_(mean_delta, alpha=1 - self.beta_1)
        self._accumulate(v, mean_delta)
        step = v.sqrt().add_(self.tau)
        torch.div(m, step, out=step)
        return step.mul_(self.learning_rate).add_(value).to(value.dtype)

    def _accumulate(self, v: Tensor, mean_delta: Tensor) -> None:
        """Add a round's squares to the second moment, in place."""
        v.addcmul_(mean_delta, mean_delta)


@dataclass(frozen=True)
class FedAdam(FedAdagrad):
    """As FedAdagrad, with v <- beta_2 v + (1 - beta_2) delta**2."""

    beta_2: float

    def _accumulate(self, v: Tensor, mean_delta: Tensor) -> None:
        v.mul_(self.beta_2).addcmul_(mean_delta, mean_delta, value=1 - self.beta_2)


@dataclass(frozen=True)
class FedYogi(FedAdam):
    """As FedAdagrad, with v <- v - (1 - beta_2) delta**2 sign(v - delta**2)."""

    def _accumulate(self, v: Tensor, mean_delta: Tensor) -> None:
        squares = mean_delta.square()
        v.addcmul_(squares, torch.sign(v - squares), value=self.beta_2 - 1)
