"""A Flower app as a workload."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from common.errors import WorkloadError
from common.workload_options import OptionsGiven
from models.flower_apps.arrays import Arrays
from models.flower_apps.project import FlowerProject, read_project
from models.loop_context import LoopContext
from models.seed import seed_generators

with warnings.catch_warnings():  # of packages that flwr builds on
    warnings.simplefilter("ignore", DeprecationWarning)
    from flwr.app import Context, RecordDict
    from flwr.clientapp import ClientApp
    from flwr.serverapp import ServerApp
    from flwr.supercore.object_ref import load_app

    from models.flower_apps.client_side import (
        call,
        evaluates,
        identify,
        is_legacy,
        remembered,
        to_remember,
    )
    from models.flower_apps.server_side import ServerSide, ask_server_app, model_alone

_DP_MODS = "flwr.clientapp.mod.centraldp_mods"
"""Mods of this module need values that a strategy for differential privacy sends."""

_LOSSES = ("train_loss", "train-loss", "loss")
"""Under these names apps report the loss of training."""


@dataclass(frozen=True, slots=True)
class _OfApp:
    """Stands for the data of a client, which its app alone knows."""

    client: str


class FlowerWorkload:
    """Runs a ClientApp. Its model are the arrays that the ServerApp begins with."""

    def __init__(self, project: FlowerProject) -> None:
        self.__name__ = project.name
        self._project = project
        self._app: ClientApp = self._load(project.client_app, ClientApp)
        _refuse_mods(project, self._app)
        self.held_out_data = self.train_data if evaluates(self._app) else None
        self._sides: dict[tuple[object, int], ServerSide] = {}

    def model(self, options: OptionsGiven) -> Arrays:
        """Return the first model: what the ServerApp gives its strategy."""
        return Arrays(self._side(options, torch.initial_seed()).arrays)

    def train_data(self, client_id: str) -> object:
        """Return nothing of use, without a length: an app loads its data itself."""
        return _OfApp(client_id)

    def test_data(self) -> None:
        """Return nothing: clients evaluate."""

    def train(self, model: Arrays, _data: object, context: LoopContext) -> dict[str, float]:
        """Let the app train, and keep the state of its context."""
        app_context = self._context(context, remembered(context.state))
        side = self._side(context.options, 0)
        seed_generators(context.seed)
        sent = model.arrays()
        reply = call(self._app, "train", side, sent, context=app_context, number=context.round)
        model.take(self._named(reply.arrays, sent))
        context.state.clear()
        context.state.update(to_remember(app_context.state))
        loss = next((reply.figures[name] for name in _LOSSES if name in reply.figures), None)
        counted: dict[str, float] = {"num_examples": reply.num_examples}
        return counted if loss is None else {**counted, "loss": float(loss)}

    def evaluate(self, model: Arrays, _data: object, context: LoopContext) -> dict[str, Any]:
        """Let the app evaluate; what it changes in the state of its context is dropped."""
        app_context = self._context(context, remembered(context.state))
        side = self._side(context.options, 0)
        seed_generators(0)
        reply = call(
            self._app, "evaluate", side, model.arrays(), context=app_context, number=context.round
        )
        return {**reply.figures, "num_examples": reply.num_examples}

    def metrics(self, _outputs: Tensor, _targets: Tensor) -> dict[str, float]:
        """Return nothing: the app evaluates whole models."""
        return {}

    def _named(self, arrays: Mapping[str, Tensor], sent: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return arrays under the names they were sent with: legacy apps return them in order."""
        if not is_legacy(self._app):
            return dict(arrays)
        if len(arrays) != len(sent):
            msg = f"the app was sent {len(sent)} arrays and returned {len(arrays)}"
            raise ValueError(msg)
        return dict(zip(sent, arrays.values(), strict=True))

    def _side(self, options: OptionsGiven, seed: int) -> ServerSide:
        """Return what the server side says; the same seed gives the same first model."""
        key = tuple(sorted((name, repr(value)) for name, value in options.items())), seed
        if key not in self._sides:
            seed_generators(seed)
            self._sides[key] = self._asked(self._project.run_config(options))
        return self._sides[key]

    def _asked(self, config: dict[str, Any]) -> ServerSide:
        project = self._project
        if project.model is not None:
            return model_alone(self._load(project.model, object))
        context = Context(1, 1, {}, RecordDict(), config)
        identify(context)
        return ask_server_app(project, self._load(project.server_app, ServerApp), context)

    def _context(self, loop: LoopContext, state: RecordDict) -> Context:
        return Context(
            run_id=_number(loop.run), node_id=loop.partition + 1, state=state,
            node_config={"partition-id": loop.partition, "num-partitions": loop.num_partitions},
            run_config=self._project.run_config(loop.options),
        )  # fmt: skip

    def _load(self, reference: str, kind: type) -> Any:
        found = load_app(reference, WorkloadError, self._project.folder)
        if not isinstance(found, kind):
            msg = (
                f"{reference} of the Flower app {self._project.name} is no {kind.__name__}, so "
                "nothing can be trained with it. Name one in its pyproject.toml."
            )
            raise WorkloadError(msg)
        return found


def load_flower_app(name: str, folder: str) -> FlowerWorkload:
    """Return the Flower app in a folder as a workload.

    Args:
        name: As runs name it.
        folder: Holds its pyproject.toml.

    Raises:
        WorkloadError: If there is none, or it needs what Fairwind does not run.
    """
    return FlowerWorkload(read_project(name, Path(folder)))


def _refuse_mods(project: FlowerProject, app: ClientApp) -> None:
    for mod in app._mods:  # noqa: SLF001 - flwr has no other way to ask
        if getattr(mod, "__module__", "") == _DP_MODS:
            msg = (
                f"The Flower app {project.name} uses {getattr(mod, '__name__', mod)}, which needs "
                "a strategy for differential privacy that Fairwind does not run, so nothing is "
                "trained. Remove it from the ClientApp; other mods run as they are."
            )
            raise WorkloadError(msg)


def _number(run: str) -> int:
    """Return a run's number for flwr: 63 bits of the hash of its name."""
    return int.from_bytes(hashlib.sha256(run.encode()).digest()[:8]) >> 1
