"""Ranking: overdue clients first, then those that gain most by training now."""

from __future__ import annotations

import numpy as np

from scheduler.policies.candidate_table import CandidateTable, Floats, Ints
from scheduler.policies.selection_context import SelectionContext


def best(
    context: SelectionContext, pool: CandidateTable, gains: Floats, waited: Floats, *, places: int
) -> Ints:
    """Return the places of overdue clients, then of those that gain most; ties by chance."""
    order = np.lexsort((-gains, -waited))
    first, last = order[:places], order[places - 1]
    tied = (gains == gains[last]) & (waited == waited[last])
    by_id = sorted(np.flatnonzero(tied).tolist(), key=pool.clients.__getitem__)
    sure = first[~tied[first]].tolist()
    sure.sort(key=lambda n: (-waited[n], -gains[n], pool.clients[n]))
    return np.array(sure + context.rng.sample(by_id, places - len(sure)), dtype=np.int64)
