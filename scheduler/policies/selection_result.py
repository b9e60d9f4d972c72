"""A selection result: the cohort, its local work and weights, and why."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from scheduler.policies.candidate_table import CandidateTable, Floats
from scheduler.policies.reason import Because
from scheduler.policies.selection_context import SelectionContext

WEIGHT_SPAN = 16.0
"""A policy may weigh a client's examples at most this much, and at least one over this."""


class NoteColumns(Mapping[str, Because]):
    """Notes of one code with the same figures for each client, each made when it is read.

    Few are: a simulation keeps no verdicts.
    """

    def __init__(self, code: str, clients: Sequence[str], figures: Mapping[str, Floats]) -> None:
        """Take by name the figures of all clients, as columns in the clients' order."""
        self._code, self._clients, self._figures = code, clients, figures
        self._places: dict[str, int] = {}

    def is_finite(self) -> bool:
        """Return whether every figure is a finite number, so that the ledger can keep it."""
        return all(bool(np.isfinite(column).all()) for column in self._figures.values())

    def __getitem__(self, client: str) -> Because:
        """Return the note on a client."""
        if not self._places:
            self._places = {name: place for place, name in enumerate(self._clients)}
        place = self._places[client]
        own = {name: column[place].item() for name, column in self._figures.items()}
        return {"code": self._code, **own}

    def __iter__(self) -> Iterator[str]:
        """Return the clients."""
        return iter(self._clients)

    def __len__(self) -> int:
        """Return how many clients there are."""
        return len(self._clients)


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
    notes = {}
    if not (isinstance(result.notes, NoteColumns) and result.notes.is_finite()):
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
