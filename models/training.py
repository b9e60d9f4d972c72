"""Local training: a plain loop over one client's data, the same bits warm or cold."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from common.messages import Hyperparameters
from models.batch import Batch, forward, shuffled
from models.evaluation import evaluate
from models.seed import seed_generators
from models.update import State, delta_signature, load_state, make_delta
from models.workload import Data, Workload, blamed, num_examples

_MakeOptimizer = Callable[[list[nn.Parameter], Hyperparameters], Optimizer]

OnEpoch = Callable[[int, int, float], None]
"""Called after every epoch with its number from 1, the number of epochs, and its mean loss."""


@dataclass(frozen=True)
class LocalResult:
    """What one assignment gave.

    Attributes:
        delta: What training changed.
        num_examples: On how many examples.
        loss: Mean training loss over the examples of the last epoch; NaN if training diverged.
        utility: The client's statistical utility: num_examples * sqrt(mean of loss**2 over the
            batches of the last epoch). Lai, Zhu, Madhyastha and Chowdhury, "Oort: Efficient
            Federated Learning via Guided Participant Selection", OSDI 2021,
            https://www.usenix.org/conference/osdi21/presentation/lai, equation 1, with batches
            in place of single examples.
        metrics: Of the base model on held-out data; empty if the coordinator tests.
        num_held_out: On how many examples those are; 0 if the coordinator tests.
    """

    delta: State
    num_examples: int
    loss: float
    utility: float
    metrics: dict[str, float] = field(default_factory=dict)
    num_held_out: int = 0


class Trainer:
    """A client's model and data, loaded once; every assignment starts from a clean slate.

    Attributes:
        model: What is trained, on its own device; `reset` gives it a state.
        signature: What each delta holds.
        num_examples: How many there are to train on.
    """

    def __init__(self, workload: Workload, client_id: str) -> None:
        """Load model and data.

        Raises:
            WorkloadError: If the workload raises, or has no examples for this client.
            UpdateError: If the model has parameters that cannot be averaged.
        """
        self._load(
            workload,
            lambda: (workload.train_data(client_id), _held_out_data(workload, client_id)),
        )

    @classmethod
    def of(cls, workload: Workload, data: Data, held_out: Data | None = None) -> Self:
        """Return a trainer of data at hand. It does what one that loads the same data does.

        Args:
            workload: Whose model, loss and metrics.
            data: What to train on.
            held_out: What to score a pulled model on; `None` if the coordinator tests.

        Raises:
            WorkloadError: If the workload raises, or there are no examples.
            UpdateError: If the model has parameters that cannot be averaged.
        """
        trainer = cls.__new__(cls)
        trainer._load(workload, lambda: (data, held_out))  # noqa: SLF001 - a second constructor
        return trainer

    def _load(self, workload: Workload, load: Callable[[], tuple[Data, Data | None]]) -> None:
        self._workload = workload
        seed_generators(0)  # buffers that are no part of the state may be drawn at random
        with blamed(workload, "assignment"):
            self.model = workload.model()
            data, held_out = load()
        self._take(data, held_out)
        self.signature = delta_signature(self.model)
        self._buffers = {name: kept.clone() for name, kept in self.model.named_buffers()}

    def _take(self, data: Data, held_out: Data | None) -> None:
        self._data, self._held_out = data, held_out
        self.num_examples = num_examples(self._workload, data)

    def sharing(self, data: Data, held_out: Data | None = None) -> Self:
        """Return a trainer of other data on the same model; only one of the two may train at once.

        Raises:
            WorkloadError: If there are no examples.
        """
        trainer = copy(self)
        trainer._take(data, held_out)  # noqa: SLF001 - of this very class
        return trainer

    def train(
        self,
        base: State,
        *,
        hyperparameters: Hyperparameters,
        seed: int,
        on_epoch: OnEpoch = lambda _epoch, _epochs, _loss: None,
    ) -> LocalResult:
        """Train from a base model. The result depends on the arguments and the data alone.

        A loss that is NaN or infinite is returned like any other: whether it counts is decided
        where updates are admitted.

        Args:
            base: The pulled model's state; not changed.
            hyperparameters: The run's.
            seed: At least 0, below 2**63; derived from run, round and client.
            on_epoch: Called after every epoch; what it raises ends the training.

        Raises:
            UpdateError: If the base is another model's.
            WorkloadError: If the workload raises.
        """
        metrics, num_held_out = self.score(base)
        self.reset(base)
        seed_generators(seed)
        generator = torch.Generator().manual_seed(seed)
        with blamed(self._workload, "assignment"):
            optimizer = _make_optimizer(self._workload, self.model, hyperparameters)
        loss = mean_square = math.nan
        for epoch in range(1, hyperparameters.epochs + 1):
            with blamed(self._workload, "assignment"):
                loss, mean_square = self._train_epoch(
                    optimizer, hyperparameters.batch_size, generator
                )
            on_epoch(epoch, hyperparameters.epochs, loss)
        optimizer.zero_grad(set_to_none=True)
        return LocalResult(
            delta=make_delta(self.model, base, signature=self.signature),
            num_examples=self.num_examples,
            loss=loss,
            utility=self.num_examples * math.sqrt(mean_square),
            metrics=metrics,
            num_held_out=num_held_out,
        )

    def _train_epoch(
        self, optimizer: Optimizer, batch_size: int, generator: torch.Generator
    ) -> tuple[float, float]:
        """Return the mean loss over the examples and the mean squared loss over the batches."""
        step = getattr(self._workload, "training_step", self._default_step)
        total = squares = 0.0
        batches = 0
        for batch in shuffled(self._data, batch_size, generator):
            optimizer.zero_grad(set_to_none=True)
            loss = step(self.model, batch)
            loss.backward()
            optimizer.step()
            value = loss.item()
            total += value * min(batch_size, self.num_examples - batches * batch_size)
            squares += value * value
            batches += 1
        return total / self.num_examples, squares / batches

    def _default_step(self, model: nn.Module, batch: Batch) -> Tensor:
        return self._workload.loss(*forward(model, batch))

    def score(self, base: State) -> tuple[dict[str, float], int]:
        """Return a base model's metrics on held-out data, and of how many examples.

        Both are empty if the coordinator tests.

        Raises:
            UpdateError: If the base is another model's.
            WorkloadError: If the workload raises.
        """
        if self._held_out is None:
            return {}, 0
        self.reset(base)
        metrics = evaluate(self._workload, self.model, base, self._held_out)
        return metrics, num_examples(self._workload, self._held_out)

    def reset(self, base: State) -> nn.Module:
        """Return the model in training mode, every tensor as a new one has it after loading a base.

        Raises:
            UpdateError: If the base is another model's.
        """
        with torch.no_grad():
            for name, buffer in self.model.named_buffers():
                buffer.copy_(self._buffers[name])
        load_state(self.model, base)
        self.model.zero_grad(set_to_none=True)
        return self.model.train()


def warm_up(threads: int) -> None:
    """Fix the thread count, and pay at once for what the first optimizer of a process imports.

    Args:
        threads: Of torch in this process; another number may give other bits.
    """
    torch.set_num_threads(threads)
    SGD([nn.Parameter(torch.zeros(1))], lr=0.1)


def _held_out_data(workload: Workload, client_id: str) -> Data | None:
    held_out_data = getattr(workload, "held_out_data", None)
    if held_out_data is None or workload.test_data() is not None:
        return None
    data: Data = held_out_data(client_id)
    return data


def _make_optimizer(
    workload: Workload, model: nn.Module, hyperparameters: Hyperparameters
) -> Optimizer:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    make: _MakeOptimizer = getattr(workload, "optimizer", named_optimizer)
    return make(parameters, hyperparameters)


def named_optimizer(parameters: list[nn.Parameter], hyperparameters: Hyperparameters) -> Optimizer:
    """Return the optimizer that the hyperparameters name."""
    rate, decay = hyperparameters.learning_rate, hyperparameters.weight_decay
    if hyperparameters.optimizer == "sgd":
        return SGD(parameters, lr=rate, momentum=hyperparameters.momentum, weight_decay=decay)
    if hyperparameters.optimizer == "adam":
        return Adam(parameters, lr=rate, weight_decay=decay, fused=True)
    return AdamW(parameters, lr=rate, weight_decay=decay, fused=True)
