"""What a user's own loop is handed beside model and data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from common.hyperparameters import Hyperparameters
from models.local_part import LocalPart
from models.update import State

Progress = Callable[[int, int, float], None]
"""Called with how much is done, of how much, and the loss so far."""


def _unheard(_done: int, _all: int, _loss: float) -> None:
    """Take a progress that nobody shows."""


@dataclass(frozen=True)
class LoopContext(LocalPart):
    """What a loop is handed beside model and data, and the attributes of `LocalPart`.

    Attributes:
        hyperparameters: The run's, with the learning rate and the epochs of this round. The last
            epoch is to train on the share `last_epoch` of the data.
        seed: At least 0, below 2**63. All generators are seeded with it already.
        device: The model's.
        progress: To be called now and then with what is done, how much there is, and the loss.
        state: Tensors by name that this site keeps for its next update of the run; empty at first.
            Change it in place. It counts once the update does; an evaluation changes nothing.
    """

    hyperparameters: Hyperparameters = field(default_factory=Hyperparameters)
    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    progress: Progress = _unheard
    state: dict[str, Tensor] = field(default_factory=dict)
    pulled: State = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, part: LocalPart, model: nn.Module, pulled: State, **more: Any) -> LoopContext:
        """Return the context of a part, for a model at hand."""
        about = {each.name: getattr(part, each.name) for each in fields(part)}
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        return cls(**about, device=device, pulled=pulled, **more)

    @cached_property
    def global_state(self) -> State:
        """A copy of the pulled model's parameters and buffers, on the CPU."""
        return {name: tensor.clone() for name, tensor in self.pulled.items()}
