"""Results as they come in, of one client or of many, in any order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from models.batched.client_work import ClientWork, Updates
from models.batched.stack import Stacked
from models.local_result import LocalResult
from models.memory import Memory
from models.metric_values import Metrics
from models.update import Signature

HeldOutScore = tuple[Metrics, int]
"""A base model's metrics on held-out data, and on how many examples."""


class UpdateRows:
    """The rows of `Updates`, each to be put once."""

    def __init__(self, works: Sequence[ClientWork], signature: Signature) -> None:
        count = len(works)
        self._clients = tuple(work.client for work in works)
        self._deltas = {
            name: torch.empty((count, *spec.shape), dtype=spec.dtype)
            for name, spec in signature.items()
        }
        self._num_examples = np.zeros(count, dtype=np.int64)
        self._num_steps = np.zeros(count, dtype=np.int64)
        self._loss, self._utility = np.empty(count), np.empty(count)
        self._scores: list[HeldOutScore] = [({}, 0)] * count
        self._memories: list[Memory] = [{}] * count

    def put(self, place: int, result: LocalResult) -> None:
        """Take one client's result."""
        deltas = {name: delta.unsqueeze(0) for name, delta in result.delta.items()}
        figures = result.num_examples, result.num_steps or 0, result.loss, result.utility
        trained = Stacked(deltas, *(np.array([figure]) for figure in figures))
        self.put_stack([place], trained, [(result.metrics, result.num_held_out)])
        self._memories[place] = result.memory

    def put_stack(
        self, places: list[int], trained: Stacked, scores: Sequence[HeldOutScore]
    ) -> None:
        """Take the results of clients that trained together, one for each place."""
        for name, delta in trained.deltas.items():
            self._deltas[name][places] = delta
        self._num_examples[places] = trained.num_examples
        self._num_steps[places] = trained.num_steps
        self._loss[places], self._utility[places] = trained.loss, trained.utility
        for place, score in zip(places, scores, strict=True):
            self._scores[place] = score

    def updates(self) -> Updates:
        """Return all rows; figures that are not finite are NaN."""
        figures = np.array([self._loss, self._utility])
        loss, utility = np.where(np.isfinite(figures), figures, np.nan)
        return Updates(
            clients=self._clients,
            deltas=self._deltas,
            num_examples=self._num_examples,
            num_steps=self._num_steps,
            loss=loss,
            utility=utility,
            metrics=tuple(metrics for metrics, _ in self._scores),
            num_held_out=np.array([count for _, count in self._scores]),
            memories=tuple(self._memories),
        )
