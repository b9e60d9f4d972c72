"""The bytes of versions as production writes them: their names, and what travels of a model."""

from __future__ import annotations

import hashlib

import safetensors.torch
from torch import nn

from models.frozen import frozen_parameters, trained_part
from models.serialization import naming
from models.update import State


class VersionBytes:
    """What production would write of one model's versions.

    Attributes:
        frozen: The SHA-256 of the model's frozen part; `None` if it has none.
        frozen_nbytes: Its size.
    """

    def __init__(self, model: nn.Module, state: State) -> None:
        """Take the frozen part of a first version."""
        self._names = frozen_parameters(model)
        part = {name: tensor for name, tensor in state.items() if name in self._names}
        written = safetensors.torch.save(part) if part else b""
        self.frozen = hashlib.sha256(written).hexdigest() if part else None
        self.frozen_nbytes = len(written)

    def nbytes(self, state: State) -> int:
        """Return the size of a version."""
        return len(self._written(state))

    def name(self, state: State) -> str:
        """Return the SHA-256 of a version's bytes."""
        return hashlib.sha256(self._written(state)).hexdigest()

    def _written(self, state: State) -> bytes:
        trained = trained_part(state, self._names)
        return safetensors.torch.save(trained, metadata=naming(self.frozen))
