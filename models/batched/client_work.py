"""The work of many clients, and their updates."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from models.local_part import LocalPart
from models.memory import Memory
from models.metric_values import Metrics
from models.update import State

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClientWork:
    """One client's part in a round.

    Attributes:
        client: Whose data.
        seed: At least 0, below 2**63; derived from run, round and client.
        epochs: Above 0, perhaps not a whole number; may differ between the clients of one round.
        part: What a loop of the user's may know.
        memory: What the client remembers of the run.
        correction: What is added to its gradients, by parameter; of all clients of a round or none.
    """

    client: str
    seed: int
    epochs: float
    part: LocalPart = field(default_factory=LocalPart)
    memory: Memory = field(default_factory=dict)
    correction: State | None = None


@dataclass(frozen=True, slots=True)
class Updates:
    """Many clients' results; row i belongs to the i-th work.

    Attributes:
        clients: Their ids, `(num_clients,)`.
        deltas: What training changed, each tensor `(num_clients, *shape)`.
        num_examples: On how many examples, `(num_clients,)`.
        num_steps: How many steps each optimizer took, 0 where unknown, `(num_clients,)`.
        loss: As in `models.local_result.LocalResult`, but NaN where not finite, `(num_clients,)`.
        utility: Likewise, `(num_clients,)`.
        metrics: Of the base model on each client's held-out data; empty where there is none.
        num_held_out: On how many examples those are, `(num_clients,)`.
        memories: What each client is to remember; empty where that is nothing.
    """

    clients: tuple[str, ...]
    deltas: State
    num_examples: Ints
    num_steps: Ints
    loss: Floats
    utility: Floats
    metrics: tuple[Metrics, ...]
    num_held_out: Ints
    memories: tuple[Memory, ...]

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
