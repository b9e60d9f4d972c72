"""A verdict: why one client is or is not invited."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from common.units import show_mass
from scheduler.gate.gate import Gate
from scheduler.gate.sentence import explain
from scheduler.ledger.events import VerdictCode
from scheduler.policies.reason import Because, explain_note
from scheduler.selection.client_table import Floats, Ints
from scheduler.selection.lazy import Lazy
from scheduler.selection.score import Score, Scores
from scheduler.selection.sentences import SENTENCES

VERDICTS: tuple[VerdictCode, ...] = get_args(VerdictCode)
"""Every code of a verdict."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why one client is or is not invited: a code, its gate, its score and the grams expected.

    `code` is one of `VERDICTS`. `note` has the figures behind the policy's choice, if any.
    """

    client: str
    code: VerdictCode
    gate: Gate | None
    score: Score | None
    expected_gco2eq: float | None
    note: Because = field(default_factory=dict)

    @property
    def invited(self) -> bool:
        """Whether the client gets a task."""
        return self.code == "invited"


@dataclass(frozen=True, eq=False)
class Verdicts(Lazy[Verdict]):
    """The verdicts on all clients, each made when it is read.

    Attributes:
        clients: Their names.
        codes: Of each, the place of its code in `VERDICTS`.
        gates: By client.
        scores: One a client.
        expected_gco2eq: Of each one's update, NaN where there is no experience.
        notes: By client, what the policy's choice rested on.
    """

    clients: Sequence[str]
    codes: Ints
    gates: Mapping[str, Gate]
    scores: Scores
    expected_gco2eq: Floats
    notes: Mapping[str, Because]

    def coded(self, code: VerdictCode) -> list[int]:
        """Return the places of the clients with that code."""
        places: list[int] = np.flatnonzero(self.codes == VERDICTS.index(code)).tolist()
        return places

    def code_by_client(self) -> dict[str, VerdictCode]:
        """Return the code of each client."""
        places = self.codes.tolist()
        return {c: VERDICTS[place] for c, place in zip(self.clients, places, strict=True)}

    def __len__(self) -> int:
        """Return how many clients there are."""
        return len(self.codes)

    def make(self, place: int) -> Verdict:
        """Return the verdict on the client at a place."""
        client, expected = self.clients[place], self.expected_gco2eq[place].item()
        return Verdict(
            client, VERDICTS[self.codes[place]], self.gates.get(client), self.scores[place],
            None if math.isnan(expected) else expected, self.notes.get(client, {}),
        )  # fmt: skip

    def __eq__(self, other: object) -> bool:
        """Return whether the verdicts on all clients are equal."""
        return isinstance(other, Verdicts) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment] # they are in no set


def why(verdict: Verdict) -> str:
    """Return in one sentence why the client was or was not invited."""
    if verdict.code in SENTENCES:
        return SENTENCES[verdict.code]
    gate = explain(verdict.gate) if verdict.gate else ""
    if verdict.code == "gate_closed" or verdict.score is None:
        return gate
    cost = verdict.expected_gco2eq
    grams = f", about {show_mass(cost)} an update" if cost is not None else ""
    note = explain_note(verdict.note, invited=verdict.invited)
    if note:
        return f"{gate}; {note}"
    chosen = "invited" if verdict.invited else "not invited this time"
    return f"{gate}; {chosen}: score {verdict.score.value:.2f}{grams}"
