"""Sample uniformly without replacement, as in FedAvg (McMahan et al., AISTATS 2017)."""

from __future__ import annotations

from scheduler.policies.candidate_table import CandidateTable
from scheduler.policies.selection_context import SelectionContext


def select(context: SelectionContext) -> list[str]:
    """Return as many candidates as are wanted, each as likely as the other."""
    ids = CandidateTable.of(context.candidates).clients
    return sorted(context.rng.sample(ids, min(context.wanted, len(ids))))
