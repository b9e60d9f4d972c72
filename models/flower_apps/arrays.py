"""The model of a Flower app: arrays by name, without the code that computes with them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

_STATISTICS = ("running_mean", "running_var")
"""Floating buffers of batch normalisation, which take the plain mean whatever the server optimizer.
A Flower app sends parameters and buffers alike, under their names in the state_dict."""


class Arrays(nn.Module):
    """Holds a state_dict under its own names. Its `forward` is in the app, out of our sight."""

    def __init__(self, arrays: Mapping[str, Tensor]) -> None:
        super().__init__()
        for path, array in arrays.items():
            *modules, name = path.split(".")
            owner: nn.Module = self
            for module in modules:
                if not hasattr(owner, module):
                    owner.add_module(module, nn.Module())
                owner = owner.get_submodule(module)
            own = array.detach().clone()
            if own.is_floating_point() and name not in _STATISTICS:
                owner.register_parameter(name, nn.Parameter(own))
            else:
                owner.register_buffer(name, own)
        self.order = tuple(arrays)

    def arrays(self) -> dict[str, Tensor]:
        """Return its tensors on the CPU, in the order in which the app gave them."""
        held = self.state_dict()
        return {name: held[name].detach().to("cpu", copy=True) for name in self.order}

    def take(self, arrays: Mapping[str, Tensor]) -> None:
        """Set its tensors.

        Raises:
            ValueError: If others came back than were sent.
        """
        held = self.state_dict()
        came = {name: (tensor.shape, tensor.dtype) for name, tensor in arrays.items()}
        for name, tensor in held.items():
            if came.pop(name, None) != (tensor.shape, tensor.dtype):
                msg = f"the app was sent {name} and returned it in another shape or type, or not"
                raise ValueError(msg)
        if came:
            msg = f"the app returned {next(iter(came))}, which it was not sent"
            raise ValueError(msg)
        with torch.no_grad():
            for name, tensor in held.items():
                tensor.copy_(arrays[name])
