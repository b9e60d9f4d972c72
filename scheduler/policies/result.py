"""The answer of a policy: whom it invites, with how much work and what weight, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scheduler.policies.context import SelectionContext
from scheduler.policies.pool import CandidateTable

Because = Mapping[str, float | str | None]
"""A code, and the numbers a sentence is made of; each name with its unit."""

WEIGHT_SPAN = 16.0
"""A policy may weigh a client's examples at most this much, and at least one over this."""


@dataclass(frozen=True, slots=True)
class SelectionResult:
    """What a policy decides. A policy with nothing to add may return a list of ids instead.

    Attributes:
        cohort: Whom it invites, each once; nobody, or fewer than the quorum, means to wait.
        epochs: Local epochs of those who are to do fewer than the run asks for.
        weights: What the examples of those invited count, relative to each other, so that the
            aggregate is not biased by the choice; within `WEIGHT_SPAN`. Who is not named counts 1.
        target: How many updates the round aims at; `None` if as many as the run asks for.
        because: Why it invites or waits.
        notes: By client, what the choice of it, or against it, rested on.
    """

    cohort: Sequence[str]
    epochs: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    target: int | None = None
    because: Because = field(default_factory=dict)
    notes: Mapping[str, Because] = field(default_factory=dict)


def fault(answer: SelectionResult, question: SelectionContext) -> str | None:
    """Return what is wrong with an answer, `None` if it can be carried out."""
    invited = set(answer.cohort)
    if len(invited) < len(answer.cohort) or not invited <= set(
        CandidateTable.of(question.candidates).clients
    ):
        return (
            "named somebody twice or who cannot be invited, so nobody was invited to round "
            f"{question.number}. Let it choose among the candidates, each once"
        )
    if any(not 1 <= epochs <= question.epochs for epochs in answer.epochs.values()):
        return (
            f"asked for other than 1 to {question.epochs} local epochs, so nobody was invited to "
            f"round {question.number}. Let it ask for the run's epochs or fewer"
        )
    if any(not 1 / WEIGHT_SPAN <= weight <= WEIGHT_SPAN for weight in answer.weights.values()):
        return (
            f"gave a weight outside 1/{WEIGHT_SPAN:g} to {WEIGHT_SPAN:g}, so nobody was invited to "
            f"round {question.number}. Let it bound its weights"
        )
    return None
