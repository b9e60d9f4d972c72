"""Invite every eligible client: the choice of cross-silo federations that can wait for all."""

from __future__ import annotations

from scheduler.policies.context import SelectionContext
from scheduler.policies.pool import CandidateTable


def select(question: SelectionContext) -> list[str]:
    """Return all candidates, however many are wanted."""
    return list(CandidateTable.of(question.candidates).clients)
