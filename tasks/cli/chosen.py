"""Which run a verb shows where none is named."""

from __future__ import annotations

from common.errors import FederationError
from scheduler.federation.federation import Federation
from scheduler.federation.run import Run
from scheduler.status.which_run import START_A_RUN, find_run, newest_run


def chosen_run(state: Federation, run_id: str | None) -> Run:
    """Return the run that is named, or the newest.

    Raises:
        FederationError: If there is none.
    """
    current = find_run(state, run_id) if run_id else newest_run(state)
    if current is None:
        msg = f"There is no run yet. {START_A_RUN}"
        raise FederationError(msg)
    return current
