"""A model factory: a workload's models, each as new as the first of its process."""

from __future__ import annotations

from copy import deepcopy
from types import FunctionType

import torch
from torch import Tensor, nn

from models.moved import moved_model
from models.seed import seed_generators
from models.update import hollow
from models.workload import Workload, blamed


class ModelFactory:
    """Builds a new model for every training and every evaluation, so that none is ever reset.

    A model may keep what it likes: attributes, buffers that `forward` registers again, modules
    built on first use, hooks, generators. Nothing of it reaches the next model.

    A new model of 100 M parameters takes 0.2 to 0.4 s on one core, a copy 0.2 s, one step of
    training on 128 rows at least 1 s (`make bench ARGS=model`, torch 2.13, November 2026). A copy
    is less safe: a hook that is a closure still points to the model it was made for.

    A model with frozen parameters can be copied without them. Each copy's are hollow until
    `load_state` gives them the tensors of a state. That is done only where all that a module
    refers to is its own parts.
    """

    def __init__(
        self,
        workload: Workload,
        *,
        device: torch.device | None = None,
        without_frozen: bool = False,
    ) -> None:
        """Build two models, to see whether the workload returns a new one each time.

        Args:
            workload: Whose models.
            device: Where to put each; `None` to leave it where the workload does.
            without_frozen: Make models whose frozen parameters are hollow, where that is safe. The
                states that are loaded into them must be nobody else's.

        Raises:
            WorkloadError: If the workload raises.
        """
        self._workload = workload
        self._device = device
        unused = self._build()
        self._unused = unused if _parts(unused) & _parts(self._build()) else None
        self._hollow: list[nn.Parameter] = []
        if without_frozen and (frozen := _frozen(unused)) and _copies_well(unused):
            self._hollow = [_hollow(parameter) for parameter in frozen]
            memo = dict(zip(map(id, frozen), self._hollow, strict=True))
            with blamed(workload, "copy of its model"):
                self._unused = deepcopy(unused, memo)

    def new(self) -> nn.Module:
        """Return a new model; the same at every call, wherever its random numbers come from.

        A workload that returns the same module at every call, or a new one around the same
        backbone, is given a copy of the one that was never used.

        Raises:
            WorkloadError: If the workload raises, its module has to be copied and cannot be, or it
                cannot be put on the device.
        """
        model = self._new()
        if self._device is None:
            return model
        with blamed(self._workload, f"move of its model to {self._device}"):
            return moved_model(model, self._device)

    def _new(self) -> nn.Module:
        if self._unused is None:
            return self._build()
        seed_generators(0)
        with blamed(self._workload, "copy of the module that model() returns at every call"):
            return deepcopy(self._unused, {id(each): _hollow(each) for each in self._hollow})

    def _build(self) -> nn.Module:
        seed_generators(0)  # buffers that are no part of the state may be drawn at random
        with blamed(self._workload, "building of its model"):
            return self._workload.model()


def _frozen(model: nn.Module) -> list[nn.Parameter]:
    """Return a model's frozen parameters, but none of a class or a device of its own."""
    return [
        p
        for p in model.parameters()
        if type(p) is nn.Parameter and not p.requires_grad and p.device.type == "cpu"
    ]


def _hollow(parameter: nn.Parameter) -> nn.Parameter:
    return nn.Parameter(hollow(parameter), requires_grad=False)


def _copies_well(model: nn.Module) -> bool:
    """Return whether a copy is like a new model: nothing in it belongs to the one it is made of."""
    return not any(
        _belongs(name, value) for module in model.modules() for name, value in vars(module).items()
    )


def _belongs(name: str, value: object) -> bool:
    """Return whether an attribute of a module may still be of that module in a copy."""
    if isinstance(value, FunctionType):
        return value.__closure__ is not None
    return isinstance(value, Tensor) or (name.endswith("_hooks") and bool(value))


def _parts(model: nn.Module) -> set[int]:
    """Return what identifies a model's modules and tensors while it lives."""
    return {id(part) for part in (*model.modules(), *model.parameters(), *model.buffers())}
