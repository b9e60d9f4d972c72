"""Torch's modes of a thread, put back to what they were before some work on a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_KINDS = ("cpu", "cuda")
"""Types of devices for which autocast may be on."""


@contextmanager
def torch_modes_kept() -> Iterator[None]:
    """Let the block leave gradients, autocast and the default dtype as they were before it.

    A training that is interrupted between two instructions may be within an optimizer's step, where
    gradients are off for a moment: without this, nothing would be trained in this process again.
    """
    gradients, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
    autocasts = [(torch.is_autocast_enabled(k), torch.get_autocast_dtype(k)) for k in _KINDS]
    try:
        yield
    finally:
        torch.set_grad_enabled(gradients)
        torch.set_default_dtype(dtype)
        for kind, (enabled, of) in zip(_KINDS, autocasts, strict=True):
            torch.set_autocast_enabled(kind, enabled)
            torch.set_autocast_dtype(kind, of)
