"""A cohort: trainers of many clients, loaded once and kept warm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import numpy as np
import torch
from torch import nn
from torch.utils.data import TensorDataset

from common.errors import WorkloadError
from common.messages import Hyperparameters
from models.batched.choice import choose
from models.batched.footprint import Footprint
from models.batched.stack import train_stack
from models.batched.timetable import Pool, draw_batches
from models.batched.work import Floats, Updates, Work
from models.training import LocalResult, Trainer
from models.update import State
from models.workload import Data, Workload, blamed


class Cohort:
    """Trainers of many clients, loaded once; every round starts from a clean slate.

    Attributes:
        batched: Whether all clients train at once; else one after the other.
        reason: Why, in one sentence.
    """

    def __init__(
        self,
        workload: Workload,
        data: Mapping[str, Data],
        *,
        held_out: Mapping[str, Data] | None = None,
        batched: bool | None = None,
    ) -> None:
        """Load the model, and choose how to train.

        Args:
            workload: Whose model and loss.
            data: Every client's examples, at least one client.
            held_out: What clients score the pulled model on, if the coordinator does not test.
            batched: Whether to train all at once; `None` if that is possible and pays.

        Raises:
            WorkloadError: If the workload raises, a client has no examples, or it is to be batched
                and cannot be.
            UpdateError: If the model has parameters that cannot be averaged.
        """
        if not data:
            msg = "The cohort has no clients, so nothing can be trained. Give data of at least one."
            raise WorkloadError(msg)
        own = held_out or {}
        first, *_ = data
        self._workload = workload
        self._lead = Trainer.of(workload, data[first], own.get(first))
        self._trainers = {
            client: self._lead.sharing(examples, own.get(client))
            for client, examples in data.items()
        }
        self.batched, self.reason = self._choose(data, batched=batched)
        if self.batched:
            model = self._lead.model
            tensors = cast("Mapping[str, TensorDataset]", data)
            self._pool = Pool.of(tensors, next(model.parameters()).device)
            self._footprint = Footprint.of(model, self._pool)

    def train(
        self, base: State, works: Sequence[Work], *, hyperparameters: Hyperparameters
    ) -> Updates:
        """Train from a base model. The result depends on the arguments and the data alone.

        Permuting the works permutes the result, to the bit. Batched, the last bits of a client's
        result may depend on who trains beside it, and on torch's number of threads.

        Args:
            base: The state that is pulled; not changed.
            works: Who trains, with which seed and how long; at least one.
            hyperparameters: The run's; the epochs are those of the works.

        Raises:
            UpdateError: If the base is another model's.
            WorkloadError: If the workload raises, there is no work, or a client is unknown.
        """
        unknown = sorted({work.client for work in works} - self._trainers.keys())
        if unknown or not works:
            which = f"no data of {', '.join(unknown[:3])}" if unknown else "nothing to do"
            msg = f"The cohort has {which}, so nobody trained. Ask those whose data it was given."
            raise WorkloadError(msg)
        train = self._train_at_once if self.batched else self._train_in_turn
        return train(base, works, hyperparameters)

    def _choose(self, data: Mapping[str, Data], *, batched: bool | None) -> tuple[bool, str]:
        if batched is False:
            return False, "the plain loop was asked for"
        choice = choose(self._workload, data, self._lead)
        if not batched:
            return choice.possible and choice.pays, choice.reason
        if not choice.possible:
            msg = (
                f"Training cannot be batched: {choice.reason}. So nothing was trained. "
                f"Leave the choice open, and a plain loop trains."
            )
            raise WorkloadError(msg)
        return True, "batches were asked for"

    def _train_in_turn(
        self, base: State, works: Sequence[Work], hyperparameters: Hyperparameters
    ) -> Updates:
        results: list[LocalResult] = []
        for work in works:
            asked = hyperparameters.model_copy(update={"epochs": work.epochs})
            trainer = self._trainers[work.client]
            results.append(trainer.train(base, hyperparameters=asked, seed=work.seed))
        figures = np.array([(result.loss, result.utility) for result in results])
        loss, utility = np.where(np.isfinite(figures), figures, np.nan).T
        return Updates(
            clients=tuple(work.client for work in works),
            deltas={
                name: torch.stack([result.delta[name] for result in results])
                for name in self._lead.signature
            },
            num_examples=np.array([result.num_examples for result in results]),
            loss=loss,
            utility=utility,
            metrics=tuple(result.metrics for result in results),
            num_held_out=np.array([result.num_held_out for result in results]),
        )

    def _train_at_once(
        self, base: State, works: Sequence[Work], hyperparameters: Hyperparameters
    ) -> Updates:
        scores = [self._trainers[work.client].score(base) for work in works]
        deltas = {
            name: torch.empty((len(works), *spec.shape), dtype=spec.dtype)
            for name, spec in self._lead.signature.items()
        }
        loss, utility = np.empty(len(works)), np.empty(len(works))
        model = self._lead.reset(base)
        for places in self._stacks(works, hyperparameters.batch_size):
            found, loss[places], utility[places] = self._train_stack(
                model, base, [works[place] for place in places], hyperparameters
            )
            for name, delta in found.items():
                deltas[name][places] = delta
        return Updates(
            clients=tuple(work.client for work in works),
            deltas=deltas,
            num_examples=np.array([self._pool.sizes[work.client] for work in works]),
            loss=loss,
            utility=utility,
            metrics=tuple(metrics for metrics, _ in scores),
            num_held_out=np.array([count for _, count in scores]),
        )

    def _train_stack(
        self, model: nn.Module, base: State, works: Sequence[Work], hyperparameters: Hyperparameters
    ) -> tuple[State, Floats, Floats]:
        with blamed(self._workload, "round"):
            return train_stack(
                model,
                self._workload.loss,
                base,
                signature=self._lead.signature,
                pool=self._pool,
                timetable=draw_batches(self._pool, works, batch_size=hyperparameters.batch_size),
                hyperparameters=hyperparameters,
            )

    def _stacks(self, works: Sequence[Work], batch_size: int) -> Iterator[list[int]]:
        """Yield the places of works to train at once, whatever order they come in.

        Those with most steps are first, so that the others can leave; those of like size are
        together.
        """

        def rank(place: int) -> tuple[int, int, str, int, int]:
            work = works[place]
            steps, size = self._pool.num_steps(work, batch_size), self._pool.sizes[work.client]
            return -steps, -size, work.client, work.seed, work.epochs

        order = sorted(range(len(works)), key=rank)
        while order:
            largest = works[order[0]]
            count = self._footprint.fitting(self._pool, largest, batch_size=batch_size)
            yield order[:count]
            order = order[count:]
