"""Evaluation: what a model is worth on a whole data set, the same bits warm or cold."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from common import settings
from common.errors import WorkloadError
from models.batch import Batch, as_loaded, batch_sizes
from models.forward import forward
from models.loader_processes import loader_processes
from models.loading import counted, in_order
from models.metric_values import Metrics
from models.nested import Nested
from models.scorer import OnTheWay, WholeSet, make_scorer
from models.seed import seed_generators
from models.update import State, load_state
from models.workload import Data, Workload, blamed, name_of, num_examples

OnBatch = Callable[[int, int], None]
"""Called after every batch with the number of examples done, and of all."""


def evaluate(
    workload: Workload,
    model: nn.Module,
    state: State,
    data: Data,
    *,
    on_batch: OnBatch = lambda _done, _all: None,
) -> Metrics:
    """Return the mean loss, under "loss", and the workload's metrics of one state of a model.

    Args:
        workload: Whose loss and metrics. A metric object sees one batch after the other, and
            memory holds one; a function sees the outputs and targets of the whole set at once.
        model: A new one; it cannot be used again.
        state: What to score.
        data: At least one example.
        on_batch: Called after every batch.

    Raises:
        UpdateError: If the state is another model's.
        WorkloadError: If the workload raises, the set is empty, or a metric is no number.
    """
    with blamed(workload, "evaluation"):
        scorer = make_scorer(workload)
    _go_through(workload, model, state, data, scorer=scorer, on_batch=on_batch)
    with blamed(workload, "evaluation"), torch.no_grad():
        return scorer.compute()


def predict(
    workload: Workload, model: nn.Module, state: State, data: Data
) -> tuple[Nested, Nested]:
    """Return a model's outputs and the targets of a whole data set, in its order.

    Args:
        workload: Whose model.
        model: A new one; it cannot be used again.
        state: What to predict with.
        data: At least one example.

    Raises:
        UpdateError: If the state is another model's.
        WorkloadError: If the workload raises, the set is empty, or outputs cannot be joined.
    """
    whole = WholeSet(workload)
    _go_through(workload, model, state, data, scorer=whole, on_batch=lambda _done, _all: None)
    return whole.joined()


def _go_through(
    workload: Workload,
    model: nn.Module,
    state: State,
    data: Data,
    *,
    scorer: WholeSet | OnTheWay,
    on_batch: OnBatch,
) -> None:
    """Show every batch of a data set to a model, and what it returns to a scorer."""
    load_state(model, state)
    seed_generators(0)
    with blamed(workload, "evaluation"), torch.no_grad(), loader_processes():
        count = num_examples(workload, data)
        model.eval()
        done = 0
        for size, batch in _batches(workload, as_loaded(data), count):
            scorer.update(*forward(model, batch), size)
            done += size
            on_batch(done, count)
    if done != count:
        msg = (
            f"The loader of the workload {name_of(workload)} gave {done} of {count} examples for "
            "an evaluation, so the model was not scored. Where its generator is None, let it give "
            "every example once, in their own order."
        )
        raise WorkloadError(msg)


def _batches(workload: Workload, data: Data, count: int) -> Iterator[tuple[int, Batch]]:
    size = settings.load().evaluation_batch_size
    loader = getattr(workload, "loader", None)
    if loader is not None:
        return counted(workload, loader(data, size, None))
    batches = in_order(data, size, collate=getattr(workload, "collate", None))
    return zip(batch_sizes(count, size), batches, strict=False)
