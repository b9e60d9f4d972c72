"""The work of many clients, and their updates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.update import State

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClientWork:
    """One client's part in a round.

    Attributes:
        client: Whose data.
        seed: At least 0, below 2**63; derived from run, round and client.
        epochs: At least 1; may differ between the clients of one round.
    """

    client: str
    seed: int
    epochs: int


@dataclass(frozen=True, slots=True)
class Updates:
    """Many clients' results; row i belongs to the i-th work.

    Attributes:
        clients: Their ids, `(num_clients,)`.
        deltas: What training changed, each tensor `(num_clients, *shape)`.
        num_examples: On how many examples, `(num_clients,)`.
        loss: As in `models.training.LocalResult`, but NaN where not finite, `(num_clients,)`.
        utility: Likewise, `(num_clients,)`.
        metrics: Of the base model on each client's held-out data; empty where there is none.
        num_held_out: On how many examples those are, `(num_clients,)`.
    """

    clients: tuple[str, ...]
    deltas: State
    num_examples: Ints
    loss: Floats
    utility: Floats
    metrics: tuple[dict[str, float], ...]
    num_held_out: Ints

    def norms(self) -> Floats:
        """Return the L2 norm of each client's delta, `(num_clients,)`; NaN where it diverged."""
        squares = np.zeros(len(self.clients))
        for delta in self.deltas.values():
            # exact in float32, and numpy knows no bfloat16
            wide = delta.to(torch.promote_types(delta.dtype, torch.float32))
            rows = wide.reshape(len(self.clients), -1).numpy()
            squares += np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
        norms: Floats = np.sqrt(squares)
        return norms
