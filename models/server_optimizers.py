"""Server optimizers: how the mean of the deltas moves the global model, one tensor at a time.

FedAvg: McMahan, Moore, Ramage, Hampson and Aguera y Arcas, "Communication-Efficient Learning of
Deep Networks from Decentralized Data", AISTATS 2017, https://arxiv.org/abs/1602.05629.

FedAdam: Reddi, Charles, Zaheer, Garrett, Rush, Konecny, Kumar and McMahan, "Adaptive Federated
Optimization", ICLR 2021, algorithm 2, https://arxiv.org/abs/2003.00295.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from common.errors import SettingError
from common.server_optimizers import options_fault
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
            state: The optimizer's tensors, "m.<name>" and "v.<name>" of this parameter among
                them; changed in place. Empty before the first round.

        Returns:
            A tensor of the shape and dtype of `value`.
        """


@dataclass(frozen=True)
class FedAvg:
    """x <- x + eta * delta; with eta = 1 the weighted mean of the clients' models."""

    learning_rate: float = 1.0

    def apply(self, name: str, value: Tensor, mean_delta: Tensor, state: State) -> Tensor:  # noqa: ARG002
        """Return the new value of a parameter; see `ServerOptimizer.apply`. Keeps no state."""
        return (mean_delta * self.learning_rate).add_(value).to(value.dtype)


@dataclass(frozen=True)
class FedAdam:
    """Adam on the server, as in algorithm 2 of the paper: no bias correction, v starts at tau**2.

    m <- beta_1 m + (1 - beta_1) delta; v <- beta_2 v + (1 - beta_2) delta**2;
    x <- x + eta m / (sqrt(v) + tau).
    """

    learning_rate: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.99
    tau: float = 1e-3

    def apply(self, name: str, value: Tensor, mean_delta: Tensor, state: State) -> Tensor:
        """Return the new value of a parameter; see `ServerOptimizer.apply`."""
        if f"m.{name}" not in state:
            state[f"m.{name}"] = torch.zeros_like(mean_delta)
            state[f"v.{name}"] = torch.full_like(mean_delta, self.tau**2)
        m, v = state[f"m.{name}"], state[f"v.{name}"]
        m.mul_(self.beta_1).add_(mean_delta, alpha=1 - self.beta_1)
        v.mul_(self.beta_2).addcmul_(mean_delta, mean_delta, value=1 - self.beta_2)
        step = v.sqrt().add_(self.tau)
        torch.div(m, step, out=step)
        return step.mul_(self.learning_rate).add_(value).to(value.dtype)


_OPTIMIZERS: dict[str, type[FedAvg | FedAdam]] = {"fedavg": FedAvg, "fedadam": FedAdam}


def make_server_optimizer(name: str, **options: float) -> ServerOptimizer:
    """Return the server optimizer of this name.

    Args:
        name: "fedavg" or "fedadam".
        options: `learning_rate`; for "fedadam" `beta_1`, `beta_2` and `tau`, too. What is left
            out has the paper's value.

    Raises:
        SettingError: If the name or an option is unknown, or a value is out of range.
    """
    factory = _OPTIMIZERS.get(name)
    if factory is None:
        msg = (
            f"There is no server optimizer {name!r}, so no model can be made. "
            f"Choose one of: {', '.join(_OPTIMIZERS)}."
        )
        raise SettingError(msg)
    fault = options_fault(name, options)
    if fault is not None:
        msg = f"The server optimizer {fault}. No model can be made until then."
        raise SettingError(msg)
    return factory(**options)
