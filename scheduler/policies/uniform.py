"""Sample uniformly without replacement, as in FedAvg (McMahan et al., AISTATS 2017)."""

from __future__ import annotations

from scheduler.policies.context import SelectionContext
from scheduler.policies.pool import CandidateTable


def select(question: SelectionContext) -> list[str]:
    """Return as many candidates as are wanted, each as likely as the other."""
    ids = CandidateTable.of(question.candidates).clients
    return sorted(question.rng.sample(ids, min(question.wanted, len(ids))))
