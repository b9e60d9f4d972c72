"""Metrics in object form: updated batch by batch, so that an evaluation needs bounded memory.

Whatever has ``update(outputs, targets)`` and ``compute()`` is such an object: `Metric` and
`MetricCollection` of torchmetrics, for instance.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Protocol, cast

from common.errors import WorkloadError
from models.nested import Nested
from models.workload import Workload, is_metric_object, name_of


class MetricObject(Protocol):
    """Holds what its figures need of the batches seen so far."""

    def update(self, outputs: Nested, targets: Nested, /) -> object:
        """Take in a batch."""

    def compute(self) -> object:
        """Return figures by name, or one figure, of all batches."""


def new_metric_object(workload: Workload) -> MetricObject | None:
    """Return a workload's metric object, with no batch seen; `None` if its metrics are a function.

    Raises:
        WorkloadError: If `metrics` takes no arguments and returns no such object.
    """
    given: Any = workload.metrics
    if _takes_nothing(given):
        made = given()
        if not is_metric_object(made):
            msg = (
                f"The workload {name_of(workload)} defines metrics without arguments, and that "
                f"returned a {type(made).__name__}, so its model was not scored. Write "
                "metrics(outputs, targets), or return an object with update and compute."
            )
            raise WorkloadError(msg)
        return cast("MetricObject", made)
    if not is_metric_object(given):
        return None
    own = deepcopy(given)  # what is the module's stays as it is
    reset = getattr(own, "reset", None)
    if callable(reset):
        reset()
    return cast("MetricObject", own)


def computed(metric: MetricObject) -> object:
    """Return figures by name; a single one has the name of the object's class."""
    found = metric.compute()
    return found if isinstance(found, Mapping) else {type(metric).__name__: found}


def _takes_nothing(given: object) -> bool:
    """Return whether something is a class or function to be called without arguments.

    A metric object may be called as well, which is another way of updating it.
    """
    if is_metric_object(given) and not inspect.isclass(given):
        return False
    try:
        parameters = inspect.signature(given).parameters.values()  # type: ignore[arg-type]
    except (TypeError, ValueError):  # written in C
        return False
    return all(
        each.name == "options" or each.kind is each.VAR_KEYWORD or each.default is not each.empty
        for each in parameters
    )
