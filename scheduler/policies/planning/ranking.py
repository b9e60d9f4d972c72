"""Ranking: overdue clients first, then those that gain most by training now."""

from __future__ import annotations

import numpy as np

from scheduler.policies.candidate_table import CandidateTable, Floats, Ints
from scheduler.policies.planning.pace import Pace
from scheduler.policies.selection_context import SelectionContext

_PATIENT_TURNS = 2.0


def overdue_h(
    context: SelectionContext, pool: CandidateTable, *, places: float, pace: Pace
) -> Floats:
    """Return the hours that each overdue client has waited, 0 for the others; `(N,)`.

    A client is overdue once it has waited for `patience_h`, and twice as long as even participation
    takes. Its wait begins with the run's first round at the earliest.
    """
    if not context.past:
        return np.zeros(len(pool))
    since_start = (context.now - context.past[0].planned_at).total_seconds() / 3600
    waited = np.minimum(pool.waited_h, since_start)
    turn = len(pool) * pace.hours_ahead / max(places * pace.rounds_ahead, 1.0)
    patience = max(context.options["patience_h"], _PATIENT_TURNS * turn)
    return np.where(waited >= patience, waited, 0.0)


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
