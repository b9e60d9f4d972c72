"""Invite every eligible client: the choice of cross-silo federations that can wait for all."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from scheduler.policies.candidate import Candidate


def select(candidates: Sequence[Candidate], wanted: int, rng: Random) -> list[str]:  # noqa: ARG001 - the shape of every policy
    """Return all candidates, however many are wanted."""
    return [candidate.client for candidate in candidates]
