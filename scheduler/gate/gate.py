"""The carbon gate of one client: whether its grid is clean enough to train now.

A gate that only looked at an absolute threshold would shut some sites out for a month (Germany 2020
at 200 gCO2eq/kWh: 36 days) and bias the model towards clean grids. So it also opens in the cleanest
30 % of a zone's own week, and by patience for a client that was shut out too long; it closes later
than it opens, and keeps its state for a while, so that it does not flutter. The ceiling is above
all of that. All times are on the grid clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from common.settings import Settings
from scheduler.carbon import federation_family
from scheduler.carbon.reading import FLOW_TRACED, Family, Reading, refuse_naive
from scheduler.ledger.events.gate import Code, GateChanged, State

UNFIT: frozenset[Code] = frozenset({"no_reading", "stale_reading", "other_family"})
"""Why a grid cannot be held against the threshold."""

PATIENCE: frozenset[Code] = frozenset(
    {"patience_spent", "patience_over_budget", "patience_unknown"}
)
"""Reasons that rest on how long the client has waited."""


@dataclass(frozen=True)
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


def judge(
    before: Gate | None,
    now_reading: Reading | None,
    week: Mapping[str, float],
    *,
    rule: GateRule,
    now: datetime,
    waiting_since: datetime,
    patience_allowed: bool,
) -> Gate:
    """Return the gate of a client at `now`.

    Args:
        before: The gate as last judged; `None` at first.
        now_reading: What holds in the client's zone at `now`; `None` if nothing is known.
        week: What is clean and what is usual in the zone, as `week_of` returns it.
        rule: When gates open and close.
        now: The time on the grid clock, aware.
        waiting_since: When the client last trained or its gate was last open, whichever is later.
            A gate that turns unknown for a while, or was closed by the ceiling, starts no new wait.
        patience_allowed: Whether the gram budget allows an exception.

    Raises:
        SignalError: If `now` is naive.
    """
    refuse_naive(now)
    grid = judge_grid(now_reading, week, rule, now)
    waited = now - waiting_since
    state, reason = settle(
        grid, before.state if before else None, dwells=dwells(before, rule, now),
        spent=waited >= rule.patience, patience_allowed=patience_allowed,
        unknown_may_train=rule.unknown_may_train,
    )  # fmt: skip
    since = before.since if before is not None and before.state == state else now
    numbers = numbers_of(reason, now_reading, week, rule)
    return Gate(state, since, reason, numbers | spans(reason, rule, now - since, waited))


def judge_grid(
    reading: Reading | None, week: Mapping[str, float], rule: GateRule, now: datetime
) -> Code:
    """Return what the grid alone says: why it cannot be judged, or how clean it is."""
    if reading is None:
        return "no_reading"
    if not reading.start <= now < reading.end:
        return "stale_reading"
    return _cleanness(reading, week, rule) if reading.family == rule.family else "other_family"


def _cleanness(reading: Reading, week: Mapping[str, float], rule: GateRule) -> Code:
    intensity = reading.gco2eq_per_kwh
    if intensity > rule.ceiling_gco2eq_per_kwh:
        return "above_ceiling"
    if intensity <= rule.threshold_gco2eq_per_kwh:
        return "below_threshold"
    if intensity <= week.get("q30_gco2eq_per_kwh", -math.inf):
        return "clean_for_zone"
    return "above_threshold" if intensity > week.get("q50_gco2eq_per_kwh", -math.inf) else "between"


def settle(
    grid: Code,
    before: State | None,
    *,
    dwells: bool,
    spent: bool,
    patience_allowed: bool,
    unknown_may_train: bool,
) -> tuple[State, Code]:
    """Return a gate's state and reason: the whole law, of facts alone.

    Args:
        grid: What the grid says, as `judge_grid` returns it.
        before: The state as last judged.
        dwells: Whether that state is kept for its dwell.
        spent: Whether the client has waited for as long as its patience.
        patience_allowed: Whether the gram budget allows an exception.
        unknown_may_train: Whether patience also opens a gate whose grid is unknown.
    """
    if grid in UNFIT:
        opens = unknown_may_train and patience_allowed and spent
        return ("open_by_patience", "patience_unknown") if opens else ("unknown", grid)
    if grid == "above_ceiling":
        return "closed", grid
    is_clean = grid in ("below_threshold", "clean_for_zone")
    state: State = "open" if is_clean or (grid, before) == ("between", "open") else "closed"
    if before is not None and dwells:
        return (state, grid) if state == before else (before, "dwell")
    # A gate that closes only now has waited for nothing yet.
    if state == "closed" and before != "open" and spent:
        by_patience: tuple[State, Code] = ("open_by_patience", "patience_spent")
        return by_patience if patience_allowed else ("closed", "patience_over_budget")
    return state, grid


def dwells(before: Gate | None, rule: GateRule, now: datetime) -> bool:
    """Return whether a gate keeps its state: it is open or closed, and changed a moment ago."""
    # An exception ends as soon as it was used; a clock set back must not hold a gate for ever.
    if before is None or before.state not in ("open", "closed"):
        return False
    return timedelta(0) <= now - before.since < rule.dwell


def numbers_of(
    reason: Code, reading: Reading | None, week: Mapping[str, float], rule: GateRule
) -> dict[str, float]:
    """Return the numbers that all clients of a zone share whose gates have this reason."""
    if reading is None or reason in UNFIT or reason == "patience_unknown":
        return {}
    return {
        "intensity_gco2eq_per_kwh": reading.gco2eq_per_kwh,
        "threshold_gco2eq_per_kwh": rule.threshold_gco2eq_per_kwh,
        "ceiling_gco2eq_per_kwh": rule.ceiling_gco2eq_per_kwh,
        **week,
    }


def spans(reason: Code, rule: GateRule, changed: timedelta, waited: timedelta) -> dict[str, float]:
    """Return the numbers that are a client's own: how long it has been so, and how long at most."""
    if reason == "dwell":
        return {"changed_s": changed.total_seconds(), "dwell_s": rule.dwell.total_seconds()}
    if reason in PATIENCE:
        return {"waited_s": waited.total_seconds(), "patience_s": rule.patience.total_seconds()}
    return {}
