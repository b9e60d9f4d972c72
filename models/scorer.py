"""Scorers: from the outputs of an evaluation's batches to figures, at once or on the way."""

from __future__ import annotations

import torch

from common.errors import WorkloadError
from models.forward import loss_of
from models.metric_object import MetricObject, computed, new_metric_object
from models.metric_values import Metrics, finite, metric_values
from models.moved import moved
from models.nested import Nested, joined
from models.workload import Workload, blamed, name_of

_CPU = torch.device("cpu")


class WholeSet:
    """Keeps outputs and targets, and shows `metrics` all of them at once."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._outputs: list[Nested] = []
        self._targets: list[Nested] = []
        self._sizes: list[int] = []

    def update(self, outputs: Nested, targets: Nested, size: int) -> None:
        """Keep what belongs to a batch of this many examples."""
        self._outputs.append(moved(outputs, _CPU))
        self._targets.append(moved(targets, _CPU))
        self._sizes.append(size)

    def joined(self) -> tuple[Nested, Nested]:
        """Return the outputs and targets of all batches.

        Raises:
            WorkloadError: If those of two batches differ in more than the number of examples.
        """
        try:
            return joined(self._outputs, self._sizes), joined(self._targets, self._sizes)
        except (RuntimeError, ValueError) as error:
            (line,) = str(error).splitlines()[:1] or [""]
            msg = (
                f"Batches of the workload {name_of(self._workload)} gave outputs or targets that "
                f"cannot be joined ({line}), so its model was not scored. Let metrics return an "
                "object with update(outputs, targets) and compute(), which sees each batch alone."
            )
            raise WorkloadError(msg) from error

    def compute(self) -> Metrics:
        """Return the mean loss, under "loss", and the workload's metrics."""
        return judge(self._workload, *self.joined())


class OnTheWay:
    """Shows a metric object each batch, and keeps none; the loss is the mean over examples."""

    def __init__(self, workload: Workload, metric: MetricObject) -> None:
        self._workload, self._metric = workload, metric
        self._loss: float | None = 0.0
        self._seen = 0

    def update(self, outputs: Nested, targets: Nested, size: int) -> None:
        """Take in a batch of this many examples."""
        outputs, targets = moved(outputs, _CPU), moved(targets, _CPU)
        loss = loss_of(self._workload, outputs, targets)
        if loss is None or self._loss is None:
            self._loss = None
        else:
            self._loss += loss.item() * size
        self._seen += size
        self._metric.update(outputs, targets)

    def compute(self) -> Metrics:
        """Return the mean loss, under "loss", and the workload's metrics."""
        metrics = metric_values(computed(self._metric))
        return metrics if self._loss is None else _loss(self._loss / self._seen) | metrics


def make_scorer(workload: Workload) -> WholeSet | OnTheWay:
    """Return what scores a model: on the way where the workload has a metric object."""
    metric = new_metric_object(workload)
    return WholeSet(workload) if metric is None else OnTheWay(workload, metric)


def judge(workload: Workload, outputs: Nested, targets: Nested) -> Metrics:
    """Return the mean loss, under "loss", and the workload's metrics of outputs for targets.

    Raises:
        WorkloadError: If the workload raises, or returns what is no figure or too many.
    """
    with blamed(workload, "evaluation"), torch.no_grad():
        loss = loss_of(workload, outputs, targets)
        metrics = metric_values(workload.metrics(outputs, targets))
        return metrics if loss is None else _loss(loss.item()) | metrics


def _loss(value: float) -> Metrics:
    return {"loss": finite(value)}
