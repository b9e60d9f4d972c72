"""What of a run's model stayed at its sites, for the status and the report."""

from __future__ import annotations

from scheduler.federation.run import Run

_NAMED = 4
"""So many tensors are named; the others are counted."""


def stayed(run: Run) -> str | None:
    """Return what never left the sites of a run; `None` if its sites keep nothing of a model."""
    ditto = run.spec.hyperparameters.ditto
    if ditto is not None:
        return f"a model of each site's own, beside the global one (Ditto, lambda {ditto:g})"
    if not run.personal:
        return None
    named, more = ", ".join(run.personal[:_NAMED]), len(run.personal) - _NAMED
    listed = f"{named} and {more} more" if more > 0 else named
    return f"{listed}; {run.num_personal:,} of {run.num_params:,} values"
