"""A workload whose functions are handed the options of a run."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, cast

from common.errors import WorkloadError
from common.own_function import takes_options
from common.workload_options import OptionsGiven
from models.own_loop import own_function
from models.server_optimizers import ServerOptimizer, hands_options
from models.workload import Workload, name_of

_FUNCTIONS = (
    "model",
    "train_data",
    "test_data",
    "loss",
    "metrics",
    "held_out_data",
    "training_step",
    "optimizer",
    "collate",
    "loader",
    "train_examples",
    "natural_split",
    "natural_test_split",
)


def configured(workload: Workload, options: OptionsGiven) -> Workload:
    """Return a workload each function of which is handed the options if it has such a parameter.

    Args:
        workload: The user's; not changed.
        options: The run's. They reach every function with a parameter named ``options``.

    """
    takers = _takers(workload)
    return cast("Workload", _Configured(workload, takers, options)) if takers else workload


def check_options(
    workload: Workload, options: OptionsGiven, *, server_optimizer: ServerOptimizer
) -> None:
    """Check that the options of a run reach a function.

    Args:
        workload: The user's, also once it is configured.
        options: The run's.
        server_optimizer: The run's: a function of the user's may take options, too.

    Raises:
        WorkloadError: If there are options, and no function has a parameter of that name.
    """
    if not options or hands_options(server_optimizer):
        return
    if isinstance(workload, _Configured) or _takers(workload):
        return
    if own_function(workload, "train") is not None:  # its context has them
        return
    msg = (
        f"The workload {name_of(workload)} has no function with a parameter named options, so "
        f"{', '.join(options)} would have no effect, and nothing is trained. Leave out "
        "--option, or write for instance model(options)."
    )
    raise WorkloadError(msg)


def _takers(workload: Workload) -> list[str]:
    return [name for name in _FUNCTIONS if takes_options(getattr(workload, name, None))]


def options_key(options: OptionsGiven) -> Hashable:
    """Return what two equal sets of options have in common, and no others: true is not 1."""
    return tuple((name, type(value), value) for name, value in sorted(options.items()))


class _Configured:
    """Stands for a workload; those functions that take the options have them."""

    def __init__(self, workload: Workload, takers: list[str], options: OptionsGiven) -> None:
        self.__name__ = name_of(workload)
        self._workload = workload
        for name in takers:
            setattr(self, name, _handing(getattr(workload, name), options))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # a copy that is not filled yet
            raise AttributeError(name)
        return getattr(self._workload, name)


def _handing(function: Callable[..., Any], options: OptionsGiven) -> Callable[..., Any]:
    """Return a function that is handed a copy of the options at every call, to keep or change."""

    @wraps(function)
    def handed(*arguments: Any) -> Any:
        return function(*arguments, options=dict(options))

    return handed
