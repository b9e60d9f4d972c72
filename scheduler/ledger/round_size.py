"""How many updates a round of a synchronous run aims at, where its user leaves that open.

Small rounds, and more of them, emit less for the same model than rounds of all clients; see
docs/policies.md, "Round size".
"""

from __future__ import annotations

from scheduler.ledger.run_spec import RunSpec

FEW = 5
"""Updates that a round aims at where more clients are enrolled."""

_SPARE = 1
"""So many more may be invited, where clients come and go."""


def choose_cohort(spec: RunSpec, *, clients: int) -> tuple[RunSpec, str]:
    """Return a run of which the cohort is open with it chosen, and why, as a sentence.

    All clients, and no sentence, where no choice is to be made: these are few, the policy invites
    all, or there are no rounds.

    Args:
        spec: The run.
        clients: How many are enrolled.
    """
    cohort = max(FEW, spec.quorum)
    if _is_for_all(spec) or clients <= cohort:
        return spec, ""
    why = (
        f"Cohort {cohort}: each round aims at {cohort} updates of the {clients} enrolled clients, "
        "as small rounds, and more of them, emit less for the same model. To aim at all of them: "
        "--cohort all."
    )
    return spec.model_copy(update={"cohort": cohort}), why


def smaller_rounds(spec: RunSpec, *, clients: int) -> str | None:
    """Return advice where rounds are larger than needed, `None` where they are not.

    Args:
        spec: The run, of which the cohort is chosen.
        clients: How many are enrolled.
    """
    if _is_for_all(spec):
        return None
    if spec.over_selection > 0:
        return (
            f"--over-selection {spec.over_selection:g} trains clients whose updates may not count. "
            f"Where clients come and go, --cohort {FEW + _SPARE} --quorum 3 emits less."
        )
    size = clients if spec.cohort is None else min(spec.cohort, clients)
    if size <= max(FEW + _SPARE, spec.quorum):
        return None
    return (
        f"A round aims at {size} updates, more than it needs: in the study, small rounds, and more "
        f"of them, emitted less for the same model. For the next run: --cohort {FEW}."
    )


def _is_for_all(spec: RunSpec) -> bool:
    return spec.is_async or spec.policy == "all"
