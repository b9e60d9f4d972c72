"""Patience: who must train now, so that no client waits longer than the run's patience.

Several clients may run out of patience in the same hour, and a round has few places. So they are
not served when their patience ends but before, earliest deadline first (Liu and Layland,
"Scheduling Algorithms for Multiprogramming in a Hard-Real-Time Environment", JACM 1973).
"""

from __future__ import annotations

import numpy as np

from scheduler.policies.candidate_table import CandidateTable, Floats
from scheduler.policies.planning.pace import Pace
from scheduler.policies.selection_context import SelectionContext

_PATIENT_TURNS = 2.0


def overdue_h(
    context: SelectionContext, pool: CandidateTable, *, places: float, pace: Pace
) -> Floats:
    """Return the hours that each overdue client has waited, 0 for the others; `(N,)`.

    Patience is `patience_h`, or twice as long as even participation takes if that is more. If the
    next rounds served the clients in the order of their waits, each would have waited for so long
    by its turn. Clients are overdue if that is longer than patience for one of them, from the
    longest wait down to the last such one. So while clients are there, their work succeeds and
    rounds take their usual time, no client waits longer than patience.

    Args:
        context: With the first round, before which no wait counts.
        pool: The candidates.
        places: Of a round, those of the candidates.
        pace: With the usual length of a round, and the rounds ahead.
    """
    if not context.past:
        return np.zeros(len(pool))
    since_start = (context.now - context.past[0].planned_at).total_seconds() / 3600
    waited: Floats = np.minimum(pool.waited_h, since_start)
    turn_h = len(pool) * pace.hours_ahead / max(places * pace.rounds_ahead, 1.0)
    patience_h = max(context.options["patience_h"], _PATIENT_TURNS * turn_h)
    longest_first = np.sort(waited)[::-1]
    rounds_until = np.arange(len(pool)) // max(places, 1.0) + 1.0
    late = np.flatnonzero(longest_first + rounds_until / pace.rounds_an_hour > patience_h)
    if not len(late):
        return np.zeros(len(pool))
    return np.where(waited >= longest_first[late[-1]], waited, 0.0)
