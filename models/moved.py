"""Batches and models on another device, however they nest their tensors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.nested import Nested, opened


def moved(batch: Nested, device: torch.device) -> Nested:
    """Return a batch with all its tensors on a device.

    What has a method ``to`` of its own, for instance a ``BatchEncoding``, is moved by it. Whatever
    is neither that nor nested stays as it is.

    >>> moved({"ids": [torch.zeros(1)], "name": "a"}, torch.device("meta"))["ids"][0].device.type
    'meta'
    """
    if isinstance(batch, Tensor) or (
        callable(getattr(batch, "to", None)) and not isinstance(batch, type)
    ):
        return batch.to(device)
    found = opened(batch)
    if found is None:
        return batch
    parts, rebuild = found
    return rebuild([moved(part, device) for part in parts])


def moved_model(model: nn.Module, device: torch.device) -> nn.Module:
    """Put a model on a device, in place, and return it.

    A tensor that several modules share stays one. PyTorch alone would make several of a buffer, and
    on some devices of a parameter: the state would have more tensors than elsewhere.
    """
    places: dict[int, list[tuple[nn.Module, str]]] = {}
    for module in model.modules():
        own = {
            **dict(module.named_parameters(recurse=False, remove_duplicate=False)),
            **dict(module.named_buffers(recurse=False, remove_duplicate=False)),
        }
        for name, tensor in own.items():
            places.setdefault(id(tensor), []).append((module, name))
    model.to(device)
    for (first, first_name), *others in places.values():
        for module, name in others:
            setattr(module, name, getattr(first, first_name))
    return model
