"""The mean of the latest model of each client: no client counts more for answering more often.

In an asynchronous run fast clients give more updates, and a buffer of updates leans towards them.
Here version x is instead the mean of the latest local models y_i = b_i + d_i of all clients that
ever answered, with b_i the version that client i trained from, d_i its update, and w_i its weight:

    x  <-  sum_i w_i (b_i + d_i) / sum_i w_i

Pan, Fan, Iutzeler, Hare and Richtárik (AREA), "Asynchronous Federated Learning with Bidirectional
Model Averaging and Memory", 2024, https://arxiv.org/abs/2405.10123. The updates and the versions
are kept anyway, so that neither clients nor coordinator keep anything more.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from models.update import State


class BaseShift:
    """By how much the mean of the versions that clients trained from differs from the newest one.

    Args:
        bases: Those versions, each with the sum of its clients' weights, in a fixed order: the bits
            depend on it.
        model: The newest version.
    """

    def __init__(self, bases: Sequence[tuple[State, int]], model: State) -> None:
        self._bases = bases
        self._model = model
        self._total = sum(weight for _, weight in bases)

    def add_to(self, name: str, mean_delta: Tensor) -> Tensor:
        """Return the mean delta of a tensor, plus the shift, rounded to the delta's dtype."""
        mean = torch.zeros(mean_delta.shape, dtype=torch.float64)
        for base, weight in self._bases:
            mean += base[name].double() * (weight / self._total)
        shift = mean - self._model[name].double()
        return (mean_delta.double() + shift).to(mean_delta.dtype)
