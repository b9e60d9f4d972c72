"""What a site remembers between two updates of a run: tensors, named by what they are for.

The training code takes the state to start from and returns the next one. It counts only once the
update counts that was made with it, so neither a lost nor a repeated answer can skip or double it.
"""

from __future__ import annotations

from models.update import State

Memory = State
"""Tensors by name; what stands before the first slash says what they are for."""


def part(memory: Memory, kind: str) -> State:
    """Return the tensors of one kind, without it in their names."""
    begin = f"{kind}/"
    return {n.removeprefix(begin): tensor for n, tensor in memory.items() if n.startswith(begin)}


def as_part(state: State, kind: str) -> Memory:
    """Return tensors as a memory holds them, the kind before their names."""
    return {f"{kind}/{name}": tensor for name, tensor in state.items()}
