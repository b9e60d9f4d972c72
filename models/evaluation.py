"""Evaluation: what a model is worth on a whole data set."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.batch import forward, in_order
from models.update import State, load_state
from models.workload import Data, Workload, blamed, num_examples

_BATCH = 256
"""Examples in one forward pass: bounds memory, changes no figure."""


def evaluate(workload: Workload, model: nn.Module, state: State, data: Data) -> dict[str, float]:
    """Return the mean loss, under "loss", and the workload's metrics of one state of a model.

    Args:
        workload: Whose loss and metrics; they see the whole set at once.
        model: Takes the state, and keeps it.
        state: What to score.
        data: Map-style, at least one example.

    Raises:
        UpdateError: If the state is another model's.
        WorkloadError: If the workload raises or the set is empty.
    """
    outputs, targets = predict(workload, model, state, data)
    return judge(workload, outputs, targets)


def predict(
    workload: Workload, model: nn.Module, state: State, data: Data
) -> tuple[Tensor, Tensor]:
    """Return a model's outputs and the targets of a whole data set, in its order.

    Args:
        workload: Whose model.
        model: Takes the state, and keeps it.
        state: What to predict with.
        data: Map-style, at least one example.

    Raises:
        UpdateError: If the state is another model's.
        WorkloadError: If the workload raises or the set is empty.
    """
    load_state(model, state)
    with blamed(workload, "evaluation"), torch.no_grad():
        num_examples(workload, data)
        model.eval()
        results = [forward(model, batch) for batch in in_order(data, _BATCH)]
        return (
            torch.cat([outputs.cpu() for outputs, _ in results]),
            torch.cat([targets.cpu() for _, targets in results]),
        )


def judge(workload: Workload, outputs: Tensor, targets: Tensor) -> dict[str, float]:
    """Return the mean loss, under "loss", and the workload's metrics of outputs for targets.

    Raises:
        WorkloadError: If the workload raises.
    """
    with blamed(workload, "evaluation"), torch.no_grad():
        loss, metrics = workload.loss(outputs, targets), workload.metrics(outputs, targets)
        return {"loss": loss.item()} | {str(name): float(value) for name, value in metrics.items()}
