"""A feed: the batches of one training, epoch after epoch, in the groups that a step takes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

import torch

from common.errors import WorkloadError
from common.hyperparameters import Hyperparameters
from models.batch import Batch, batch_sizes
from models.loading import counted, shuffled
from models.workload import Data, Workload, name_of

Group = list[tuple[int, Batch]]
"""The batches of one step of the optimizer, each with the number of its examples."""


class Feed:
    """Goes through a client's data until the run's epochs or steps are done.

    A workload's own `loader(data, batch_size, generator)` decides on its batches itself: how many
    there are is known once an epoch is over. Ours are of `batch_sizes`, in random order.

    Attributes:
        num_steps: Steps taken so far.
        num_epochs_begun: Epochs so far, the last one perhaps cut short.
        hint: A sentence for the error of a training whose batches have one example, else "".
    """

    def __init__(
        self,
        workload: Workload,
        data: Data,
        *,
        num_examples: int,
        hyperparameters: Hyperparameters,
        generator: torch.Generator,
    ) -> None:
        """Plan batches where the workload leaves that to us.

        Args:
            workload: Whose `loader` and `collate` are used, if it has them.
            data: What to train on.
            num_examples: How many there are.
            hyperparameters: The run's.
            generator: Decides on the order.
        """
        self._workload, self._data, self._all = workload, data, num_examples
        self._asked, self._generator = hyperparameters, generator
        self._loader = getattr(workload, "loader", None)
        self._sizes = batch_sizes(
            num_examples, hyperparameters.batch_size, drop_last=hyperparameters.drop_last
        )
        last = hyperparameters.examples_of_last_epoch(sum(self._sizes))
        self._last_sizes = batch_sizes(
            last, hyperparameters.batch_size, drop_last=hyperparameters.drop_last
        )
        alone = self._loader is None and max(self._sizes) == 1
        self.hint = _ALONE if alone else ""
        self.num_steps = self.num_epochs_begun = self._seen = 0
        self._first: list[int] = []
        self._steps_of_first = 0

    @property
    def ended(self) -> bool:
        """Whether all epochs, or all steps, are done."""
        if self._asked.steps is not None:
            return self.num_steps >= self._asked.steps
        return self.num_epochs_begun >= self._asked.epochs

    @property
    def num_epochs(self) -> int:
        """How many epochs there will be; known after the first one."""
        if self._asked.steps is None:
            return self._asked.epochs
        return math.ceil(self._asked.steps / self._steps_of_first)

    @property
    def batches_per_epoch(self) -> int:
        """How many batches the first epoch had."""
        return len(self._first)

    @property
    def num_examples(self) -> int:
        """On how many examples an epoch trains; known after the first one.

        A loader that repeats examples counts for no more than there are. One that has not finished
        an epoch counts for all.
        """
        if self._loader is None:
            return sum(self._sizes)
        whole = self.num_epochs_begun > 1 or (self._asked.steps is None and not self._in_part)
        return min(sum(self._first), self._all) if whole else self._all

    def epoch(self) -> Iterator[Group]:
        """Yield the groups of the next epoch; one is done with when the next is drawn.

        Raises:
            WorkloadError: If the workload's loader gives none.
        """
        self.num_epochs_begun += 1
        batches, begun_with = self._batches(), self.num_steps
        self._seen = 0
        while not self._enough() and (group := list(islice(batches, self._asked.accumulate))):
            self.num_steps += 1
            self._seen += sum(size for size, _ in group)
            if self.num_epochs_begun == 1:
                self._first += [size for size, _ in group]
                self._steps_of_first += 1
            yield group
        if self.num_steps == begun_with:
            msg = (
                f"The loader of the workload {name_of(self._workload)} gave no batch, so nothing "
                "was trained. Let it give the examples in batches, each time it is called."
            )
            raise WorkloadError(msg)

    @property
    def _in_part(self) -> bool:
        """Whether the epoch that runs is the last one, and trains on a part of the examples."""
        whole = self._asked.steps is not None or self._asked.last_epoch == 1.0
        return not whole and self.num_epochs_begun == self._asked.epochs

    def _enough(self) -> bool:
        if self._asked.steps is not None:
            return self.num_steps >= self._asked.steps
        # A loader is cut after the step that reaches its part; batches of ours are of the part.
        return self._in_part and self._seen >= self._asked.examples_of_last_epoch(self.num_examples)

    def _batches(self) -> Iterator[tuple[int, Batch]]:
        if self._loader is not None:
            loaded = self._loader(self._data, self._asked.batch_size, self._generator)
            return counted(self._workload, loaded)
        collate = getattr(self._workload, "collate", None)
        sizes = self._last_sizes if self._in_part else self._sizes
        batches = shuffled(self._data, sizes, self._generator, collate=collate)
        return zip(sizes, batches, strict=False)


_ALONE = (
    " Each batch had one example, on which layers such as BatchNorm cannot train: give this "
    "client more examples, or the run a larger --batch-size."
)
