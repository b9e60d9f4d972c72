"""Server optimizers: how the mean of the deltas moves the global model. One paper a module."""

from __future__ import annotations

from collections.abc import Callable

from common.errors import SettingError
from common.own_function import load_function, takes_options
from common.server_optimizers import OPTIONS, is_own, options_fault
from common.workload_options import OptionsGiven
from models.server_optimizers.fedavg import FedAvg
from models.server_optimizers.fedavgm import FedAvgM
from models.server_optimizers.fedopt import FedAdagrad, FedAdam, FedYogi
from models.server_optimizers.own import OwnServerOptimizer
from models.server_optimizers.server_optimizer import ServerOptimizer

__all__ = ["ServerOptimizer", "hands_options", "make_server_optimizer"]

_NONE: OptionsGiven = {}

_OPTIMIZERS: dict[str, Callable[..., ServerOptimizer]] = {
    "fedavg": FedAvg,
    "fedavgm": FedAvgM,
    "fedadagrad": FedAdagrad,
    "fedadam": FedAdam,
    "fedyogi": FedYogi,
}


def make_server_optimizer(
    name: str, run_options: OptionsGiven = _NONE, /, **options: float
) -> ServerOptimizer:
    """Return the server optimizer of this name, or the user's function at this import path.

    Args:
        name: One of `common.server_optimizers.OPTIONS`, or ``module:function``.
        run_options: Those of the run. A user's function with a parameter named ``options`` is
            handed them.
        options: What is left out has the default of `OPTIONS`. A user's function takes any.

    Raises:
        SettingError: If the name or an option is unknown, a value is out of range, or the function
            cannot be loaded, or cannot be called like that.
    """
    fault = options_fault(name, options)
    if fault is not None:
        msg = f"The server optimizer {fault}. No model can be made until then."
        raise SettingError(msg)
    if not is_own(name):
        return _OPTIMIZERS[name](**{**OPTIONS[name], **options})
    step = load_function(
        name,
        role="server optimizer",
        takes="value, mean_delta, state and your options",
        arguments=3,
        options=options,
        run_options=run_options,
    )
    return OwnServerOptimizer(name, step, options, run_options if takes_options(step) else None)


def hands_options(optimizer: ServerOptimizer) -> bool:
    """Return whether it hands the options of the run to a user's function."""
    return isinstance(optimizer, OwnServerOptimizer) and optimizer.run_options is not None
