"""Which examples each of many clients trains on at each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from models.batched.client_work import ClientWork, Floats


@dataclass(frozen=True, slots=True)
class Examples:
    """All clients' examples, end to end.

    Attributes:
        tensors: Inputs, then targets, each `(num_examples, ...)`.
        starts: The number of each client's first example.
        sizes: How many examples each client has.
    """

    tensors: tuple[Tensor, ...]
    starts: Mapping[str, int]
    sizes: Mapping[str, int]

    @classmethod
    def of(cls, data: Mapping[str, TensorDataset], device: torch.device) -> Examples:
        """Copy clients' data to one place; their examples must have the same shape and dtype."""
        columns = zip(*(one.tensors for one in data.values()), strict=True)
        sizes = {client: len(one) for client, one in data.items()}
        starts = np.cumsum([0, *sizes.values()]).tolist()
        return cls(
            tensors=tuple(torch.cat(column).to(device) for column in columns),
            starts=dict(zip(sizes, starts, strict=False)),
            sizes=sizes,
        )

    def num_steps(self, work: ClientWork, batch_size: int) -> int:
        """Return how many batches a work takes."""
        return work.epochs * -(-self.sizes[work.client] // batch_size)


@dataclass(frozen=True, slots=True)
class BatchSchedule:
    """The batches of some clients, those with most steps first.

    Attributes:
        rows: Numbers of examples in the pool, `(num_clients, num_steps, width)`. A batch that is
            shorter than the width is filled up with its own first example, so that what fills it
            is finite wherever the batch is.
        counts: How many of them belong to the batch, `(num_clients, num_steps)`; 0 after a
            client's last.
        last_epoch: Whether a step is one of a client's last epoch, `(num_clients, num_steps)`.
    """

    rows: Tensor
    counts: Tensor
    last_epoch: Tensor

    def active(self) -> list[int]:
        """Return how many clients, the first ones, still train at each step, `(num_steps,)`."""
        active: list[int] = (self.counts > 0).sum(dim=0).tolist()
        return active

    def loss_and_utility(self, losses: Tensor) -> tuple[Floats, Floats]:
        """Return the loss and utility of `LocalResult` from the losses of all batches.

        Args:
            losses: `(num_clients, num_steps)`; what lies after a client's last step is ignored.

        Returns:
            Loss and utility, `(num_clients,)`.
        """
        counts = torch.where(self.last_epoch, self.counts, 0)
        losses = torch.where(self.last_epoch, losses.double(), 0.0)
        num_examples, num_batches = counts.sum(dim=1), self.last_epoch.sum(dim=1)
        loss = (losses * counts).sum(dim=1) / num_examples
        utility = num_examples * (losses.square().sum(dim=1) / num_batches).sqrt()
        return loss.numpy(), utility.numpy()


def draw_batches(
    examples: Examples, works: Sequence[ClientWork], *, batch_size: int
) -> BatchSchedule:
    """Draw every batch of some works, as `models.batch.shuffled` draws them one by one.

    Args:
        examples: The clients' examples.
        works: Those with most steps first.
        batch_size: Examples in a batch; the last one of an epoch may be smaller.
    """
    generator = torch.Generator()
    width = min(batch_size, max(examples.sizes[work.client] for work in works))
    shape = len(works), examples.num_steps(works[0], batch_size)
    rows = np.zeros((*shape, width), dtype=np.int64)
    counts = np.zeros(shape, dtype=np.int64)
    last_epoch = np.zeros(shape, dtype=np.bool_)
    for number, work in enumerate(works):
        size, start = examples.sizes[work.client], examples.starts[work.client]
        each, steps = -(-size // batch_size), examples.num_steps(work, batch_size)
        generator.manual_seed(work.seed)
        epochs = rows[number, :steps].reshape(work.epochs, each * width)
        for epoch in epochs:
            drawn = torch.randperm(size, generator=generator).numpy()
            epoch[:size] = drawn
            epoch[size:] = drawn[(each - 1) * width]
        epochs += start
        counts[number, :steps] = batch_size
        counts[number, each - 1 : steps : each] = size - (each - 1) * batch_size
        last_epoch[number, steps - each : steps] = True
    return BatchSchedule(*(torch.from_numpy(table) for table in (rows, counts, last_epoch)))
