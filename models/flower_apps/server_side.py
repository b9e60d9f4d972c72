"""What a Flower app's ServerApp says before its rounds begin: the first model, and the messages.

Its rounds, its sampling and its aggregation are Fairwind's here. So the strategy must be one that
does no more than plain averaging; any other is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import flwr.serverapp.strategy as message_strategies
from flwr.app import ArrayRecord, Context
from flwr.common import parameters_to_ndarrays
from flwr.server import strategy as legacy_strategies
from flwr.serverapp import Grid, ServerApp
from torch import Tensor, from_numpy, nn

from common.errors import WorkloadError
from models.flower_apps.project import FlowerProject

Configure = Callable[[int], dict[str, Any]]
"""Returns the config of a message of one round."""

_OURS = {
    "FedAdam": "fedadam", "FedYogi": "fedyogi", "FedAdagrad": "fedadagrad", "FedAvgM": "fedavgm",
}  # fmt: skip
"""Strategies of Flower that are server optimizers here."""


_BEGIN = "start"
"""The method of a strategy that begins its rounds."""

_PLACES = (
    "grid", "initial_arrays", "num_rounds", "timeout", "train_config", "evaluate_config",
    "evaluate_fn",
)  # fmt: skip
"""The arguments of flwr's `Strategy.start`, in order."""


@dataclass(frozen=True)
class ServerSide:
    """What a ServerApp says.

    Attributes:
        arrays: The first model.
        train, evaluate: The config of a message to a client.
        arrays_key, config_key, weight_key: The names of a message's records, and of the figure that
            weighs a reply.
    """

    arrays: Mapping[str, Tensor]
    train: Configure
    evaluate: Configure
    arrays_key: str = "arrays"
    config_key: str = "config"
    weight_key: str = "num-examples"


class _Started(BaseException):
    """A strategy was started, and its app's code is left: no handler of the app may catch it."""

    def __init__(self, strategy: Any, initial_arrays: ArrayRecord, configs: dict[str, Any]) -> None:
        super().__init__()
        self.strategy, self.initial_arrays, self.configs = strategy, initial_arrays, configs


def ask_server_app(project: FlowerProject, app: ServerApp, context: Context) -> ServerSide:
    """Return what a ServerApp says.

    Raises:
        WorkloadError: If it runs rounds of its own, or a strategy that Fairwind does not run.
    """
    if app._main is None:  # noqa: SLF001 - flwr has no other way to ask
        return _legacy(project, app, context)
    try:
        with _left_at_start():
            app(cast("Grid", _NoGrid(project)), context)
    except _Started as started:
        return _said(project, started)
    raise WorkloadError(_own_rounds(project, "does not start a strategy"))


def model_alone(function: Callable[[], nn.Module]) -> ServerSide:
    """Return what a ServerApp would say that has a model, FedAvg and no config."""
    return ServerSide(function().state_dict(), lambda _round: {}, lambda _round: {})


@contextmanager
def _left_at_start() -> Iterator[None]:
    """Let strategies end their app's main function in place of starting. Of this process alone."""
    usual = message_strategies.Strategy.start
    setattr(message_strategies.Strategy, _BEGIN, _start)
    try:
        yield
    finally:
        setattr(message_strategies.Strategy, _BEGIN, usual)


def _start(strategy: Any, *given: Any, **named: Any) -> None:
    """Take the arguments of flwr's `Strategy.start`."""
    arguments = dict(zip(_PLACES, given, strict=False)) | named
    configs = {kind: dict(arguments.get(f"{kind}_config") or {}) for kind in ("train", "evaluate")}
    raise _Started(strategy, arguments["initial_arrays"], configs)


def _said(project: FlowerProject, started: _Started) -> ServerSide:
    strategy = started.strategy
    _check(project, strategy, message_strategies)
    also = {}
    if isinstance(strategy, message_strategies.FedProx):
        also["proximal-mu"] = strategy.proximal_mu

    def configure(kind: str, more: Mapping[str, Any]) -> Configure:
        return lambda number: {**started.configs[kind], "server-round": number, **more}

    return ServerSide(
        started.initial_arrays.to_torch_state_dict(),
        configure("train", also), configure("evaluate", {}),
        strategy.arrayrecord_key, strategy.configrecord_key, strategy.weighted_by_key,
    )  # fmt: skip


def _legacy(project: FlowerProject, app: ServerApp, context: Context) -> ServerSide:
    strategy: Any = app._strategy  # noqa: SLF001 - flwr has no other way to ask
    if app._server_fn is not None:  # noqa: SLF001
        strategy = app._server_fn(context).strategy  # noqa: SLF001
    _check(project, strategy, legacy_strategies)
    if strategy.initial_parameters is None:
        msg = (
            f"The strategy of the Flower app {project.name} has no initial_parameters, so there is "
            "no first model, and nothing is trained. Give them to FedAvg, or name a function that "
            'returns the model in its pyproject.toml: [tool.fairwind] model = "package.module:Net".'
        )
        raise WorkloadError(msg)
    also = {}
    if isinstance(strategy, legacy_strategies.FedProx):
        also["proximal_mu"] = strategy.proximal_mu

    def configure(function: Configure | None, more: Mapping[str, Any]) -> Configure:
        return lambda number: {**(function(number) if function else {}), **more}

    arrays = parameters_to_ndarrays(strategy.initial_parameters)
    return ServerSide(
        {str(place): from_numpy(array.copy()) for place, array in enumerate(arrays)},
        configure(strategy.on_fit_config_fn, also), configure(strategy.on_evaluate_config_fn, {}),
    )  # fmt: skip


def _check(project: FlowerProject, strategy: object, known: Any) -> None:
    if type(strategy) in (known.FedAvg, known.FedProx):
        return
    name = type(strategy).__name__
    ours = _OURS.get(name)
    instead = f" with --server-optimizer {ours}" if ours else ""
    msg = (
        f"The ServerApp of the Flower app {project.name} uses the strategy {name}, which Fairwind "
        f"does not run, so nothing is trained. Use FedAvg or FedProx there, and start the run"
        f"{instead or ' with the policy and the server optimizer that you want'}."
    )
    raise WorkloadError(msg)


class _NoGrid:
    """Stands where a ServerApp expects the grid of its nodes; there is none."""

    def __init__(self, project: FlowerProject) -> None:
        self._project = project

    def __getattr__(self, name: str) -> Any:
        raise WorkloadError(_own_rounds(self._project, f"uses grid.{name}"))


def _own_rounds(project: FlowerProject, does: str) -> str:
    return (
        f"The ServerApp of the Flower app {project.name} {does}: it runs rounds of its own, which "
        "Fairwind does not, so nothing is trained. Let its main call strategy.start, or name a "
        'function that returns the model in its pyproject.toml: [tool.fairwind] model = "...".'
    )
