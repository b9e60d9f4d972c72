"""FedProx: local training that is drawn back to the model it started from.

Li, Sahu, Zaheer, Sanjabi, Talwalkar and Smith, "Federated Optimization in Heterogeneous Networks",
MLSys 2020, https://arxiv.org/abs/1812.06127, algorithm 2.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def add_proximal_gradient(pairs: Iterable[tuple[nn.Parameter, Tensor]], *, mu: float) -> None:
    """Add the gradient of (mu / 2) * ||y - x||**2 to that of the loss: g <- g + mu * (y - x).

    Args:
        pairs: Trainable parameters y, with gradients, each with the value x that it started from;
            x may lack y's first dimension. A parameter without a gradient is left as it is.
        mu: How strongly, at least 0.
    """
    with torch.no_grad():
        for y, x in pairs:
            if y.grad is not None:
                y.grad.add_(y - x, alpha=mu)
