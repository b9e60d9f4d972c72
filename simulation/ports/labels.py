"""The labels of a classification's test data, where a simulation understands them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from models.evaluation import predict
from models.metric_object import new_metric_object
from models.model_factory import ModelFactory
from models.update import State
from models.workload import Data, Workload


def known_labels(
    workload: Workload, models: ModelFactory, state: State, tests: Data | None
) -> Sequence[float]:
    """Return the labels of the test data; none if there are none, or it is no classification."""
    if tests is None:
        return ()
    if new_metric_object(workload) is not None:  # the whole set may not fit into memory
        return ()
    outputs, targets = predict(workload, models.new(), state, tests)
    if not isinstance(outputs, torch.Tensor) or not isinstance(targets, torch.Tensor):
        return ()
    if targets.dim() != 1 or not bool((targets == targets.long()).all()):
        return ()
    labels = np.unique(targets.numpy()).tolist()
    fits = outputs.dim() == 2 or len(labels) == 2  # noqa: PLR2004 - classes, or yes and no
    return tuple(labels) if fits else ()


def guess(outputs: torch.Tensor) -> torch.Tensor:
    """Return the class of logits: `(n, classes)`, or `(n,)` for yes or no."""
    return (outputs > 0).long() if outputs.dim() == 1 else outputs.argmax(dim=1)


def right_by_label(
    outputs: torch.Tensor, targets: torch.Tensor, labels: Sequence[float]
) -> tuple[float, ...]:
    """Return the share of each label's examples, between 0 and 1, that were guessed right.

    Args:
        outputs: Of the model, `(num_examples, num_labels)` or `(num_examples,)`.
        targets: `(num_examples,)`.
        labels: Those there are.
    """
    right = guess(outputs) == targets.long()
    return tuple(right[targets == label].double().mean().item() for label in labels)
