"""The carbon gate of one client: whether its grid is clean enough to train now.

A gate that only looked at an absolute threshold would shut some sites out for a month (Germany 2020
at 200 gCO2eq/kWh: 36 days) and bias the model towards clean grids. So it also opens in the cleanest
30 % of a zone's own week, and by patience for a client that was shut out too long; it closes later
than it opens, and keeps its state for a while, so that it does not flutter. The ceiling is above
all of that. All times are on the grid clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from common.settings import Settings
from scheduler.carbon.family import FLOW_TRACED, Family
from scheduler.carbon.sources import federation_family
from scheduler.ledger.events.gate import Code, GateChanged, State

UNFIT: frozenset[Code] = frozenset({"no_reading", "stale_reading", "other_family"})
"""Why a grid cannot be held against the threshold."""

PATIENCE: frozenset[Code] = frozenset(
    {"patience_spent", "patience_over_budget", "patience_unknown"}
)
"""Reasons that rest on how long the client has waited."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The state of one client's gate.

    Attributes:
        state: `open`, `open_by_patience` (one exception), `closed` or `unknown`.
        since: When this state began, on the grid clock.
        reason: A stable code for machines; `gate_sentence.explain` makes a sentence of it.
        numbers: What the decision rested on, each name with its unit; no intensity if unknown.
    """

    state: State
    since: datetime
    reason: Code
    numbers: Mapping[str, float]

    @property
    def is_open(self) -> bool:
        """Whether the client may train, by whichever rule."""
        return self.state in ("open", "open_by_patience")

    def continues(self, before: Gate | None) -> bool:
        """Return whether it has the state and the reason that it had before."""
        return before is not None and (self.state, self.reason) == (before.state, before.reason)

    def seeing(self, gco2eq_per_kwh: float) -> Gate:
        """Return the gate with a newer intensity that changed neither its state nor its reason."""
        if "intensity_gco2eq_per_kwh" not in self.numbers:
            return self
        return replace(self, numbers={**self.numbers, "intensity_gco2eq_per_kwh": gco2eq_per_kwh})

    def to_payload(self) -> GateChanged:
        """Return the gate as the ledger keeps it."""
        return GateChanged(
            state=self.state, since=self.since, reason=self.reason, numbers=dict(self.numbers)
        )

    @classmethod
    def from_payload(cls, kept: GateChanged) -> Gate:
        """Return the gate that `to_payload` made `kept` of."""
        return cls(kept.state, kept.since, kept.reason, kept.numbers)


class GateFigures(Protocol):
    """When gates open, as settings and scenarios state it, in hours and minutes."""

    @property
    def threshold_gco2eq_per_kwh(self) -> float:
        """A gate opens at or below this intensity."""

    @property
    def ceiling_gco2eq_per_kwh(self) -> float:
        """No gate opens above this one."""

    @property
    def patience_h(self) -> float:
        """A client that waited this long may train once, grid hours."""

    @property
    def dwell_min(self) -> float:
        """A gate keeps its state at least this long, grid minutes."""

    @property
    def unknown_grid(self) -> str:
        """``patience`` lets patience open a gate whose grid is unknown, too; ``wait`` does not."""


@dataclass(frozen=True)
class GateRule:
    """When gates open and close.

    Attributes:
        threshold_gco2eq_per_kwh: Open at or below this intensity.
        ceiling_gco2eq_per_kwh: Never open above this one, whatever else holds.
        patience: A client that waited this long may train once, grid time.
        dwell: An open or closed gate keeps its state at least this long, grid time.
        family: What the threshold and the ceiling count; a reading of another one is not compared.
        unknown_may_train: Whether patience also opens a gate whose grid is unknown. The ceiling
            cannot be kept then.
    """

    threshold_gco2eq_per_kwh: float
    ceiling_gco2eq_per_kwh: float
    patience: timedelta
    dwell: timedelta
    family: Family = FLOW_TRACED
    unknown_may_train: bool = False

    @classmethod
    def of(cls, figures: GateFigures, family: Family) -> GateRule:
        """Return the rule that these figures describe, for readings of one family."""
        return cls(
            threshold_gco2eq_per_kwh=figures.threshold_gco2eq_per_kwh,
            ceiling_gco2eq_per_kwh=figures.ceiling_gco2eq_per_kwh,
            patience=timedelta(hours=figures.patience_h),
            dwell=timedelta(minutes=figures.dwell_min),
            family=family,
            unknown_may_train=figures.unknown_grid == "patience",
        )


def gate_rule(settings: Settings) -> GateRule:
    """Return when gates open and close in the federation of these settings."""
    return GateRule.of(settings, federation_family(settings))
