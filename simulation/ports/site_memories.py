"""What simulated sites remember between rounds, each state under its name as on a real site's disk.

See `models.memory`: an assignment names the state to start from, a receipt the next one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable

import safetensors.torch

from common.messages import MemoryRef
from models.memory import Memory


class SiteMemories:
    """The states that assignments or receipts name, of all sites of a run."""

    def __init__(self) -> None:
        self._states: dict[str, Memory] = {}
        self._made: dict[str, str] = {}

    def named(self, ref: MemoryRef | None) -> Memory:
        """Return a state; an empty one where none is named."""
        return {} if ref is None else self._states[ref.sha256]

    def keep(self, client: str, memory: Memory) -> None:
        """Keep what a site remembers of its newest update, under the name that its receipt has."""
        self._made.pop(client, None)
        if memory:
            name = hashlib.sha256(safetensors.torch.save(memory)).hexdigest()
            self._states[name], self._made[client] = memory, name

    def made(self, client: str) -> str | None:
        """Return the name of what a site remembers of its newest update."""
        return self._made.get(client)

    def forget(self, refs: Iterable[MemoryRef], clients: Container[str]) -> None:
        """Forget all but the states of these names, and those that these clients just made."""
        self._made = {client: name for client, name in self._made.items() if client in clients}
        kept = {ref.sha256 for ref in refs} | set(self._made.values())
        self._states = {name: state for name, state in self._states.items() if name in kept}
