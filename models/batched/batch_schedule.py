"""Which examples each of many clients trains on at each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from common.hyperparameters import Hyperparameters
from models.batch import batch_sizes
from models.batched.client_work import ClientWork, Floats, Ints


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

    def batch_sizes(self, work: ClientWork, hyperparameters: Hyperparameters) -> list[int]:
        """Return how many examples each batch of an epoch of a work has."""
        batch_size, drop_last = hyperparameters.batch_size, hyperparameters.drop_last
        return batch_sizes(self.sizes[work.client], batch_size, drop_last=drop_last)

    def num_steps(self, work: ClientWork, hyperparameters: Hyperparameters) -> int:
        """Return how many steps a work takes, each on one batch."""
        trained = sum(self.batch_sizes(work, hyperparameters))
        return hyperparameters.expected_steps(trained, epochs=work.epochs)

    def sizes_of_batches(
        self, work: ClientWork, hyperparameters: Hyperparameters
    ) -> tuple[list[int], list[int]]:
        """Return how many examples each batch of a whole epoch has, and each of the last epoch."""
        whole, asked = self.batch_sizes(work, hyperparameters), hyperparameters
        asked = asked.with_epochs(work.epochs)
        last = asked.examples_of_last_epoch(sum(whole))
        return whole, batch_sizes(last, asked.batch_size, drop_last=asked.drop_last)


@dataclass(frozen=True, slots=True)
class BatchSchedule:
    """The batches of some clients, those with most steps first.

    Attributes:
        rows: Numbers of examples in the pool, `(num_clients, num_steps, width)`. A batch that is
            shorter than the width is filled up with its own first example, so that what fills it
            is finite wherever the batch is.
        counts: How many of them belong to the batch, `(num_clients, num_steps)`; 0 after a
            client's last.
        last_epoch: Whether a step is one of a client's last epoch, or of as many steps as an epoch
            has, `(num_clients, num_steps)`.
        num_examples: On how many examples each client trains in an epoch, `(num_clients,)`.
    """

    rows: Tensor
    counts: Tensor
    last_epoch: Tensor
    num_examples: Tensor

    def active(self) -> list[int]:
        """Return how many clients, the first ones, still train at each step, `(num_steps,)`."""
        active: list[int] = (self.counts > 0).sum(dim=0).tolist()
        return active

    def figures(self, losses: Tensor) -> tuple[Ints, Floats, Floats]:
        """Return the figures of `LocalResult` from the losses of all batches.

        Args:
            losses: `(num_clients, num_steps)`; what lies after a client's last step is ignored.

        Returns:
            Number of examples, loss and utility, `(num_clients,)`.
        """
        counts = torch.where(self.last_epoch, self.counts, 0)
        losses = torch.where(self.last_epoch, losses.double(), 0.0)
        loss = (losses * counts).sum(dim=1) / counts.sum(dim=1)
        mean_square = losses.square().sum(dim=1) / self.last_epoch.sum(dim=1)
        utility = self.num_examples * mean_square.sqrt()
        return self.num_examples.numpy(), loss.numpy(), utility.numpy()

    def num_steps(self) -> Ints:
        """Return how many steps each client takes, `(num_clients,)`."""
        steps: Ints = (self.counts > 0).sum(dim=1).numpy()
        return steps


def draw_batches(
    examples: Examples, works: Sequence[ClientWork], hyperparameters: Hyperparameters
) -> BatchSchedule:
    """Draw every batch of some works, as `models.batch.shuffled` draws them one by one.

    Args:
        examples: The clients' examples.
        works: Those with most steps first.
        hyperparameters: The run's; the epochs are those of the works.
    """
    generator = torch.Generator()
    epochs = [examples.sizes_of_batches(work, hyperparameters) for work in works]
    width = max(max(*sizes, *last) for sizes, last in epochs)
    shape = len(works), examples.num_steps(works[0], hyperparameters)
    rows = np.zeros((*shape, width), dtype=np.int64)
    counts = np.zeros(shape, dtype=np.int64)
    last_epoch = np.zeros(shape, dtype=np.bool_)
    # Most clients share their sizes with others.
    layouts = {
        sizes: _places(sizes, width) for sizes in {tuple(s) for both in epochs for s in both}
    }
    for number, (work, (sizes, last)) in enumerate(zip(works, epochs, strict=True)):
        size, each = examples.sizes[work.client], len(sizes)
        steps = examples.num_steps(work, hyperparameters)
        places, places_of_last = layouts[tuple(sizes)], layouts[tuple(last)]
        generator.manual_seed(work.seed)
        for begin in range(0, steps, each):
            epoch = rows[number, begin : min(begin + each, steps)]
            order = torch.randperm(size, generator=generator).numpy()
            ends = begin + each >= steps and last != sizes
            epoch[:] = order[places_of_last if ends else places[: len(epoch)]]
        rows[number, :steps] += examples.starts[work.client]
        counts[number, :steps] = np.resize(sizes, steps)
        if last != sizes:
            counts[number, steps - len(last) : steps] = last
        last_epoch[number, max(0, steps - each) : steps] = True
    whole = np.array([sum(sizes) for sizes, _ in epochs], dtype=np.int64)
    return BatchSchedule(*(torch.from_numpy(table) for table in (rows, counts, last_epoch, whole)))


def _places(sizes: Sequence[int], width: int) -> Ints:
    """Return which of an epoch's examples each batch holds, `(num_batches, width)`.

    A batch that is shorter than the width repeats its first example.
    """
    ends = np.cumsum(sizes)[:, np.newaxis]
    begins = ends - np.array(sizes)[:, np.newaxis]
    places: Ints = begins + np.arange(width)
    return np.where(places < ends, places, begins)
