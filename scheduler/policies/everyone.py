"""Invite every eligible client: the choice of cross-silo federations that can wait for all."""

from __future__ import annotations

from scheduler.policies.candidate_table import CandidateTable
from scheduler.policies.selection_context import SelectionContext


def select(context: SelectionContext) -> list[str]:
    """Return all candidates, however many are wanted."""
    return list(CandidateTable.of(context.candidates).clients)
