"""Which run a screen or a command means: the one that is named, or the one that matters most."""

from __future__ import annotations

from collections.abc import Iterable

from common.errors import FederationError
from common.settings.names import nearest
from scheduler.federation.federation import Federation
from scheduler.federation.run import Run

START_A_RUN = "Start one: fairwind run start digits --rounds 12"
"""What to do where there is no run yet."""

_LISTED = 5
"""So many runs an error names, the newest ones."""


def find_run(state: Federation, run_id: str) -> Run:
    """Return a run by its name.

    Raises:
        FederationError: If there is none.
    """
    if run_id not in state.runs:
        near = nearest(run_id, state.runs)
        hint = f"Did you mean {near}?" if near else _listed(state.runs)
        msg = f"There is no run {run_id!r}, so nothing was done. {hint}"
        raise FederationError(msg)
    return state.runs[run_id]


def newest_run(state: Federation) -> Run | None:
    """Return the run to show where none is named, `None` if there is none.

    It is the newest that goes on; else the newest that closed a round; else the newest. A run that
    is blocked before its first version neither goes on nor did it work.
    """
    runs = list(state.runs.values())
    live = [r for r in runs if r.ended_at is None and not (r.blocked and r.version is None)]
    worked = [r for r in runs if r.closed]
    return next((some[-1] for some in (live, worked, runs) if some), None)


def active_run(state: Federation, verb: str) -> Run:
    """Return the run that a command changes where none is named: the only one that is not over.

    Args:
        state: The federation.
        verb: What the command does to it, as an error has it: "stopped".

    Raises:
        FederationError: If none is active, or several are: which one is meant, nobody can know.
    """
    active = [state.runs[name] for name in state.active]
    if not active:
        msg = f"No run is active, so none was {verb}. See `fairwind run list`."
        raise FederationError(msg)
    if len(active) > 1:
        names = ", ".join(run.id for run in active[:_LISTED])
        msg = f"{len(active)} runs are active, so none was {verb}. Name one of them: {names}."
        raise FederationError(msg)
    return active[0]


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    if not known:
        return f"There is none yet. {START_A_RUN}"
    newest = ", ".join(known[-_LISTED:])
    more = f"the newest {_LISTED} of {len(known)} are" if len(known) > _LISTED else "there are"
    return f"{more.capitalize()}: {newest}."
