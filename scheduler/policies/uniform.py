"""Sample uniformly without replacement, as in FedAvg (McMahan et al., AISTATS 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from scheduler.policies.candidate import Candidate


def select(candidates: Sequence[Candidate], wanted: int, rng: Random) -> list[str]:
    """Return `wanted` candidates, each as likely as the other."""
    ids = [candidate.client for candidate in candidates]
    return sorted(rng.sample(ids, min(wanted, len(ids))))
