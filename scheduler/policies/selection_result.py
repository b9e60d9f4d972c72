"""A selection result: the cohort, its local work and weights, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scheduler.policies.candidate_table import CandidateTable
from scheduler.policies.reason import Because
from scheduler.policies.selection_context import SelectionContext

WEIGHT_SPAN = 16.0
"""A policy may weigh a client's examples at most this much, and at least one over this."""


@dataclass(frozen=True, slots=True)
class SelectionResult:
    """What a policy decides. A policy with nothing to add may return a list of ids instead.

    Attributes:
        cohort: The clients it invites, each once; fewer than the quorum means to wait.
        epochs: Local epochs of the clients that do fewer than the run's, perhaps not whole. In a
            run by steps, which has one epoch, the share of the steps.
        weights: What the examples of the cohort count, relative to each other, so that the choice
            does not bias the aggregate; within `WEIGHT_SPAN`. A client without one counts 1.
        target: How many updates the round aims at; `None` for the number of the run.
        because: Why it invites or waits.
        notes: By client, the figures behind the choice of it, or against it.
    """

    cohort: Sequence[str]
    epochs: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    target: int | None = None
    because: Because = field(default_factory=dict)
    notes: Mapping[str, Because] = field(default_factory=dict)


def fault(result: SelectionResult, context: SelectionContext) -> str | None:
    """Return what is wrong with a result, `None` if it can be carried out."""
    invited = set(result.cohort)
    if len(invited) < len(result.cohort) or not invited <= set(
        CandidateTable.of(context.candidates).clients
    ):
        return (
            "chose a client twice or one that is no candidate, so round "
            f"{context.number} did not start. Let it choose among the candidates, each once"
        )
    if any(not 0 < epochs <= context.epochs for epochs in result.epochs.values()):
        return (
            f"chose no local work, or more than {context.epochs} local epochs, so round "
            f"{context.number} did not start. Let it choose the run's epochs or fewer, above 0"
        )
    if any(not 1 / WEIGHT_SPAN <= weight <= WEIGHT_SPAN for weight in result.weights.values()):
        return (
            f"chose a weight outside 1/{WEIGHT_SPAN:g} to {WEIGHT_SPAN:g}, so round "
            f"{context.number} did not start. Let it bound its weights"
        )
    return _fault_of_reasons(result, context)


def _fault_of_reasons(result: SelectionResult, context: SelectionContext) -> str | None:
    """Return what is wrong with `because`, a note or the target, if the ledger cannot keep it."""
    unfit = f"so round {context.number} did not start"
    notes = {f"note on {client}": note for client, note in result.notes.items()}
    reasons: dict[str, object] = {"because": result.because, **notes}  # a user's may be anything
    for name, reason in reasons.items():
        if not isinstance(reason, Mapping) or not all(_is_kept(*each) for each in reason.items()):
            return (
                f"returned a {name} that the ledger cannot keep ({reason!r}), {unfit}. Let it be a "
                "dict from names to finite numbers, texts or None"
            )
    if result.target is not None and not (type(result.target) is int and result.target >= 1):
        return f"returned the target {result.target!r}, {unfit}. Let it be an integer from 1 on"
    return None


def _is_kept(name: object, value: object) -> bool:
    if not isinstance(name, str) or isinstance(value, bool):
        return False
    if isinstance(value, (int, float)):
        return math.isfinite(value)
    return value is None or isinstance(value, str)
