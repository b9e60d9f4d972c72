"""What a policy may know of a client that could be invited."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """An eligible client: its score from 0 to 1, and whether it has ever trained for us."""

    client: str
    score: float
    explored: bool
