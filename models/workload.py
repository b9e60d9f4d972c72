"""What a user supplies: a plain module or object, found by its name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Collection, Iterator, Sequence, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from torch import Tensor
from torch.nn import Module
from torch.utils.data import Dataset

from common.errors import FairwindError, WorkloadError, describe, ends_process
from common.extras import how_to_install
from common.workload_names import FLOWER, SHIPPED, allowed_as, not_allowed, run_name
from models.collision import collision, hides
from models.device import out_of_memory

Data = Dataset[Any]
"""A data set with a length, map-style or iterable. Its items are tuples that end with the target,
or mappings, or whatever the workload's `collate` makes batches of."""

_REQUIRED = ("model", "train_data", "test_data", "metrics")


@runtime_checkable
class Workload(Protocol):
    """What a user supplies. A module fits as well as an object; nothing of ours is imported.

    `loss` may be absent where the model returns a mapping, or an object, with its own ``loss``.
    `metrics` may also be a metric object, with ``update(outputs, targets)`` and ``compute()``, or a
    function without arguments that returns one: see `models.metric_object`.

    A workload may also define:

    * ``collate(items) -> batch``: makes a batch of a list of items; in its absence torch's
      ``default_collate``;
    * ``loader(data, batch_size, generator) -> Iterable[batch]``: the batches of one epoch, in
      random order by the generator; for an evaluation that is `None`, and all examples come in
      their own order;
    * ``held_out_data(client_id) -> Dataset``: what a client scores the pulled model on, in runs
      that their sites evaluate;
    * ``training_step(model, batch) -> Tensor``: the loss of one batch, a scalar to call
      ``backward`` on; in its absence ``loss(model(*inputs), targets)``;
    * ``optimizer(parameters, hyperparameters) -> torch.optim.Optimizer``: in its absence the one
      the hyperparameters name;
    * ``train(model, data, context) -> dict | None``: trains the model in place, in the place of the
      loop of `models.training`; see `models.own_loop`;
    * ``evaluate(model, data, context) -> dict[str, float]``: a client's metrics of the pulled model
      on its held-out data, in the place of loss and metrics; see `models.own_loop`;
    * ``lower_is_better``: the names of the metrics of which less is better, for instance
      ``{"mae"}``; `common.metric_names` knows the usual ones without;
    * ``train_examples() -> TensorDataset``: all training examples, targets last, for a simulation
      that splits them itself;
    * ``natural_split() -> tuple[IntArray, ...]``: the rows of ``train_examples`` that belong to
      each of the places they come from;
    * ``natural_test_split() -> tuple[IntArray, ...]``: the same of ``test_data``.
    """

    def model(self) -> Module:
        """Return a new model. Its random numbers come from torch's seeded generator."""

    def train_data(self, client_id: str, /) -> Data:
        """Return the examples on which this client trains."""

    def test_data(self) -> Data | None:
        """Return the coordinator's test examples; `None` if clients score the model instead."""

    def loss(self, outputs: Tensor, targets: Tensor, /) -> Tensor:
        """Return the mean loss of outputs `(batch, ...)` for targets `(batch, ...)`, a scalar."""

    def metrics(self, outputs: Tensor, targets: Tensor, /) -> dict[str, float]:
        """Return figures by name; sees the outputs and targets of the whole set at once."""


def load_workload(name: str, *, allowed: Sequence[str]) -> Workload:
    """Return the workload of this name, importing its module if need be.

    Args:
        name: A shipped name ("digits"), an import path, "package.module" or
            "package.module:attribute", or a Flower app, "flower:folder".
        allowed: The names this process may load, as they are written in FAIRWIND_WORKLOADS.

    Raises:
        WorkloadError: If the name is not allowed, its module is missing or raises, or something
            that a workload must have is missing.
    """
    entry = allowed_as(name, allowed)
    if entry is None:
        raise WorkloadError(not_allowed(name, allowed))
    if entry.startswith(FLOWER):
        return _flower_app(run_name(entry), entry.removeprefix(FLOWER))
    module_name, _, attribute = SHIPPED.get(name, name).partition(":")
    found = _import(name, module_name)
    if attribute:
        found = getattr(found, attribute, None)
    missing = [name for name in _REQUIRED if not _usable(getattr(found, name, None))]
    if hasattr(found, "loss") and not callable(found.loss):
        missing.append("loss")
    if missing:
        remedy = f"Define {'it' if len(missing) == 1 else 'them'} as a function."
        msg = (
            f"The workload {name!r} does not define {', '.join(missing)}, so nothing can be "
            f"trained with it. {hides(module_name) or remedy}"
        )
        raise WorkloadError(msg)
    return cast("Workload", found)


def is_metric_object(found: object) -> bool:
    """Return whether something computes metrics batch by batch, as torchmetrics' objects do."""
    return all(callable(getattr(found, name, None)) for name in ("update", "compute"))


def _usable(found: object) -> bool:
    return callable(found) or is_metric_object(found)


def states_lower(workload: Workload, metric: str) -> bool:
    """Return whether a workload states that less of a metric is better.

    Raises:
        WorkloadError: If its `lower_is_better` are no names.
    """
    stated = getattr(workload, "lower_is_better", ())
    if isinstance(stated, str) or not isinstance(stated, Collection):
        msg = (
            f"The workload {name_of(workload)} defines lower_is_better as {stated!r}, so it is "
            'unknown which way its metrics are better. Define a set of names: {"mae"}.'
        )
        raise WorkloadError(msg)
    return metric in stated


def name_of(workload: Workload) -> str:
    """Return what a workload is called in texts: its module, or its type."""
    return str(getattr(workload, "__name__", type(workload).__name__))


@contextmanager
def blamed(workload: Workload, work: str, *, hint: str = "") -> Iterator[None]:
    """Turn whatever a user's code raises inside into one clear line.

    Args:
        workload: Whose code runs inside.
        work: What fails if it raises, for instance "assignment".
        hint: A sentence to add, with a space before it.

    Raises:
        WorkloadError: If anything but an error of our own was raised, chained to its cause.
    """
    try:
        yield
    except FairwindError:
        raise
    except (Exception, SystemExit) as error:
        if ends_process(error):
            raise
        remedy = "correct the workload or its data and restart the worker that runs it."
        known = collision(error) or out_of_memory(error)
        msg = (
            f"The workload {name_of(workload)} raised {describe(error)}; the {work} failed; "
            f"{known or remedy}{hint}"
        )
        raise WorkloadError(msg) from error


def num_examples(workload: Workload, data: Data) -> int:
    """Return how many examples a data set holds.

    Raises:
        WorkloadError: If it has no length or is empty.
    """
    count = len(data) if isinstance(data, Sized) else 0
    if count == 0:
        msg = (
            f"The workload {name_of(workload)} returned a data set that is empty or has no length, "
            f"so there is nothing to learn from. Return a data set with at least one example; an "
            "IterableDataset says in __len__ how many a pass gives."
        )
        raise WorkloadError(msg)
    return count


def _import(name: str, module_name: str) -> object:
    here = str(Path.cwd())
    if here not in sys.path:  # console scripts, celery's included, leave it out
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        absent = error.name or ""
        if absent != module_name and not module_name.startswith(f"{absent}."):
            raise WorkloadError(_import_failed(name, module_name, error)) from error
        remedy = "Install its package, or start this process in the folder that holds it."
        msg = (
            f"There is no module {absent!r} for the workload {name!r}, so nothing can be trained "
            f"with it. {hides(absent) or remedy}"
        )
        raise WorkloadError(msg) from error
    except (Exception, SystemExit) as error:
        if ends_process(error):
            raise
        raise WorkloadError(_import_failed(name, module_name, error)) from error


def _flower_app(name: str, folder: str) -> Workload:
    try:
        from models.flower_apps.workload import load_flower_app  # noqa: PLC0415 - needs an extra
    except ImportError as error:
        msg = (
            f"The workload {name} is a Flower app, and flwr cannot be imported ({error}), so "
            f"nothing can be trained with it. Install it, {how_to_install('flwr')}"
        )
        raise WorkloadError(msg) from error
    try:
        return cast("Workload", load_flower_app(name, folder))
    except FairwindError:
        raise
    except (Exception, SystemExit) as error:
        if ends_process(error):
            raise
        msg = (
            f"Importing the Flower app {name} raised {describe(error)}; nothing can be trained "
            f"with it; {collision(error) or 'correct it and restart.'}"
        )
        raise WorkloadError(msg) from error


def _import_failed(name: str, module_name: str, error: BaseException) -> str:
    remedy = f'`python -c "import {module_name}"` in this folder shows where; correct it, restart.'
    return (
        f"Importing the workload {name!r} raised {describe(error)}; nothing can be trained with "
        f"it; {collision(error) or remedy}"
    )
