"""The payload about carbon gates, and the words in which the ledger keeps them."""

from __future__ import annotations

from typing import ClassVar, Literal

from scheduler.ledger.events.base import Payload, Utc

State = Literal["open", "open_by_patience", "closed", "unknown"]

Code = Literal[
    "below_threshold",
    "clean_for_zone",
    "between",
    "above_threshold",
    "above_ceiling",
    "dwell",
    "patience_spent",
    "patience_over_budget",
    "patience_unknown",
    "no_reading",
    "stale_reading",
    "other_family",
]
"""Why a gate is in its state. The ledger keeps these: add to them, never rename one."""


class GateChanged(Payload):
    """A client's gate has another state or reason; once a grid day otherwise.

    Attributes:
        state: `open`, `open_by_patience` (one exception), `closed` or `unknown`.
        since: When this state began, grid clock.
        reason: Why it is in this state.
        numbers: What the decision rested on, each name with its unit; no intensity if unknown.
    """

    kind: ClassVar[str] = "gate.changed"

    state: State
    since: Utc
    reason: Code
    numbers: dict[str, float]
