"""The loop of local training: epochs over a client's data, the same bits warm or cold."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from common.errors import WorkloadError
from common.hyperparameters import Hyperparameters
from models.batch import as_loaded
from models.client_optimizer import make_optimizer
from models.feed import Feed, Group
from models.loader_processes import loader_processes
from models.local_step import LocalStep
from models.seed import seed_generators
from models.update import State
from models.workload import Data, Workload, blamed

OnEpoch = Callable[[int, int, float], None]
"""Called after every epoch, and at the end of the steps, with its number from 1, the number of
epochs, and the mean loss of the last epoch."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a loop over a client's data reports; see `models.local_result.LocalResult`."""

    num_examples: int
    num_steps: int | None
    loss: float
    utility: float


def fit(
    workload: Workload,
    model: nn.Module,
    data: Data,
    *,
    num_examples: int,
    hyperparameters: Hyperparameters,
    seed: int,
    on_epoch: OnEpoch,
    anchor: nn.Module | None = None,
    correction: State | None = None,
) -> Fitted:
    """Train a model in place.

    Args:
        workload: Whose loss.
        model: In training mode, what it starts from loaded.
        data: The client's.
        num_examples: How many these are.
        hyperparameters: The run's.
        seed: At least 0, below 2**63.
        on_epoch: Called after every epoch; what it raises ends the training.
        anchor: What `proximal_mu` draws the model to; what it starts from if left out.
        correction: What SCAFFOLD adds to the gradients, by parameter.

    Raises:
        WorkloadError: If the workload raises, or the gradients of all steps overflowed.
    """
    seed_generators(seed)
    feed = Feed(
        workload, as_loaded(data), num_examples=num_examples, hyperparameters=hyperparameters,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    with blamed(workload, "assignment"):
        optimizer = make_optimizer(workload, model, hyperparameters)
        step = LocalStep(
            workload, model, optimizer, hyperparameters, anchor=anchor, correction=correction
        )
    last: list[BatchLoss] = []
    while not feed.ended:
        with blamed(workload, "assignment", hint=feed.hint), loader_processes():
            last += _train_epoch(step, feed.epoch())
        last = last[-feed.batches_per_epoch :]
        on_epoch(feed.num_epochs_begun, feed.num_epochs, _mean(last))
    return Fitted(
        feed.num_examples, _some(step.num_taken, feed.num_steps), _mean(last),
        _utility(last, feed.num_examples),
    )  # fmt: skip


class BatchLoss(NamedTuple):
    """The loss of one batch, and of how many examples it is the mean."""

    size: int
    loss: float


def _train_epoch(step: LocalStep, groups: Iterator[Group]) -> Iterator[BatchLoss]:
    """Take the steps of an epoch, each on its group of batches."""
    for group in groups:
        yield from map(BatchLoss, [size for size, _ in group], step.take(group))


def _mean(losses: Sequence[BatchLoss]) -> float:
    return sum(each.loss * each.size for each in losses) / sum(each.size for each in losses)


def _utility(losses: Sequence[BatchLoss], num_examples: int) -> float:
    squares = sum(each.loss * each.loss for each in losses)
    return num_examples * math.sqrt(squares / len(losses))


def _some(num_taken: int, num_steps: int) -> int:
    """Return how many steps were taken; none is no training."""
    if num_taken == 0:
        msg = (
            f"The gradients of all {num_steps} steps overflowed in fp16, so nothing was trained. "
            "Start the run with --precision bf16 or a lower --learning-rate, or with more steps."
        )
        raise WorkloadError(msg)
    return num_taken
