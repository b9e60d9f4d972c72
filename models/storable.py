"""Which tensors a version can hold: written as safetensors, and read back as they were."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from models.tensor_file import DTYPES

_STORABLE = frozenset(DTYPES.values())


def storage_fault(tensor: object) -> str | None:
    """Return why a version cannot hold an entry of a model's state and what to do, else `None`.

    >>> storage_fault(torch.zeros(2)) is None
    True
    >>> storage_fault(torch.zeros(2, device="meta"))
    'has no values: build it on a real device'
    """
    if not isinstance(tensor, Tensor):
        return f"is no tensor but {type(tensor).__name__}: use layers whose state is tensors"
    if is_lazy(tensor):
        return "has no shape yet: call the model once on an example before model() returns it"
    if tensor.is_meta:
        return "has no values: build it on a real device"
    if tensor.layout != torch.strided or tensor.is_nested:
        return "is sparse or nested: make it dense"
    if tensor.dtype not in _STORABLE:
        return f"is {dtype_name(tensor.dtype)}: use {_NAMES}"
    return None


def dtype_name(dtype: torch.dtype) -> str:
    """Return a dtype's name as users write it after `torch.`."""
    return str(dtype).removeprefix("torch.")


_NAMES = ", ".join(map(dtype_name, DTYPES.values()))
