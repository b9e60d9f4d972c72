"""What a user supplies: a plain module or object, found by its name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from torch import Tensor
from torch.nn import Module
from torch.utils.data import Dataset

from common.errors import FairwindError, WorkloadError, describe, ends_process
from common.workload_names import SHIPPED, not_allowed

Data = Dataset[Any]
"""A data set with a length whose items are tuples that end with the target."""

_REQUIRED = ("model", "train_data", "test_data", "loss", "metrics")


@runtime_checkable
class Workload(Protocol):
    """What a user supplies. A module fits as well as an object; nothing of ours is imported.

    A workload may also define:

    * ``held_out_data(client_id) -> Dataset``: what a client scores the pulled model on if
      `test_data` returns `None`;
    * ``training_step(model, batch) -> Tensor``: the loss of one batch, a scalar to call
      ``backward`` on; in its absence ``loss(model(*inputs), targets)``;
    * ``optimizer(parameters, hyperparameters) -> torch.optim.Optimizer``: in its absence the one
      the hyperparameters name;
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
        name: A shipped name ("digits"), or an import path, "package.module" or
            "package.module:attribute".
        allowed: The names this process may load, as they are written in FAIRWIND_WORKLOADS.

    Raises:
        WorkloadError: If the name is not allowed, its module is missing or raises, or something
            that a workload must have is missing.
    """
    if name not in allowed:
        raise WorkloadError(not_allowed(name, allowed))
    module_name, _, attribute = SHIPPED.get(name, name).partition(":")
    found = _import(name, module_name)
    if attribute:
        found = getattr(found, attribute, None)
    missing = [required for required in _REQUIRED if not callable(getattr(found, required, None))]
    if missing:
        msg = (
            f"The workload {name!r} does not define {', '.join(missing)}, so nothing can be "
            f"trained with it. Define {'it' if len(missing) == 1 else 'them'} as a function."
        )
        raise WorkloadError(msg)
    return cast("Workload", found)


@contextmanager
def blamed(workload: Workload, work: str) -> Iterator[None]:
    """Turn whatever a user's code raises inside into one clear line.

    Args:
        workload: Whose code runs inside.
        work: What fails if it raises, for instance "assignment".

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
        name = getattr(workload, "__name__", type(workload).__name__)
        msg = (
            f"The workload {name} raised {describe(error)}; the {work} failed; "
            f"correct the workload or its data and restart the worker that runs it."
        )
        raise WorkloadError(msg) from error


def num_examples(workload: Workload, data: Data) -> int:
    """Return how many examples a data set holds.

    Raises:
        WorkloadError: If it has no length or is empty.
    """
    count = len(data) if isinstance(data, Sized) else 0
    if count == 0:
        name = getattr(workload, "__name__", type(workload).__name__)
        msg = (
            f"The workload {name} returned a data set that is empty or has no length, so there is "
            f"nothing to learn from. Return a map-style data set with at least one example."
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
        msg = (
            f"There is no module {absent!r} for the workload {name!r}, so nothing can be trained "
            f"with it. Install its package, or start this process in the folder that holds it."
        )
        raise WorkloadError(msg) from error
    except (Exception, SystemExit) as error:
        if ends_process(error):
            raise
        raise WorkloadError(_import_failed(name, module_name, error)) from error


def _import_failed(name: str, module_name: str, error: BaseException) -> str:
    return (
        f"Importing the workload {name!r} raised {describe(error)}; nothing can be trained with "
        f'it; `python -c "import {module_name}"` in this folder shows where, mend it and restart.'
    )
