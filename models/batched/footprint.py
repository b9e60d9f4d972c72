"""What a client takes in memory while it trains in a stack."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.batched.timetable import Examples
from models.batched.work import ClientWork

_STACK_BYTES = 128 << 20
"""What the clients trained at once may take together, about; one may always train. Above 32 MiB
no size was faster than another (digits, 100 and 1,000 clients, two cores)."""

_COPIES = 5
"""Of a model in training: values, gradients, two moments of Adam, and the step."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes that one client takes.

    Attributes:
        model_bytes: With gradients and what the optimizer keeps.
        example_bytes: With what the model keeps of an example for the backward pass.
    """

    model_bytes: int
    example_bytes: int

    @classmethod
    def of(cls, model: nn.Module, pool: Examples) -> Footprint:
        """Measure a model on the first example of a pool."""
        example = tuple(tensor[:1] for tensor in pool.tensors)
        return cls(
            model_bytes=_COPIES * sum(parameter.nbytes for parameter in model.parameters()),
            # as much again for the gradients of what was kept
            example_bytes=2 * _kept_bytes(model, example[:-1]) + sum(t.nbytes for t in example),
        )

    def fitting(self, pool: Examples, largest: ClientWork, *, batch_size: int) -> int:
        """Return how many clients may train at once, at least one.

        Args:
            pool: The clients' examples.
            largest: The work among theirs that has most steps, and of those most examples.
            batch_size: Examples in a batch.
        """
        width = min(batch_size, pool.sizes[largest.client])
        row_bytes = torch.int64.itemsize * pool.num_steps(largest, batch_size)
        each_bytes = self.model_bytes + width * (self.example_bytes + row_bytes)
        return max(1, _STACK_BYTES // each_bytes)


def _kept_bytes(model: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in weights:
            kept[place] = tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(*inputs)
    return sum(kept.values())
