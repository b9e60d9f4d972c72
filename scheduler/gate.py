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
from typing import Any, Literal

from common.settings import Settings
from scheduler.carbon.reading import FLOW_TRACED, Family, Reading, refuse_naive

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

    def to_dict(self) -> dict[str, Any]:
        """Return the gate as JSON can hold it."""
        return {
            "state": self.state,
            "since": self.since.isoformat(),
            "reason": self.reason,
            "numbers": dict(self.numbers),
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Gate:
        """Return the gate that `to_dict` made `body` of."""
        since = datetime.fromisoformat(body["since"])
        return cls(body["state"], since, body["reason"], dict(body["numbers"]))


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
    def of(cls, settings: Settings, family: Family) -> GateRule:
        """Return the rule that the settings describe, for readings of one family."""
        return cls(
            threshold_gco2eq_per_kwh=settings.threshold_gco2eq_per_kwh,
            ceiling_gco2eq_per_kwh=settings.ceiling_gco2eq_per_kwh,
            patience=timedelta(hours=settings.patience_h),
            dwell=timedelta(minutes=settings.dwell_min),
            family=family,
            unknown_may_train=settings.unknown_grid == "patience",
        )


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
    unfit = _unfit(now_reading, rule, now)
    if now_reading is None or unfit is not None:
        waited = _spans("waited_s", now - waiting_since, "patience_s", rule.patience)
        if rule.unknown_may_train and patience_allowed and now - waiting_since >= rule.patience:
            return _gate(before, "open_by_patience", "patience_unknown", now, waited)
        return _gate(before, "unknown", unfit or "no_reading", now, {})
    numbers = _numbers(now_reading, week, rule)
    state, reason = _by_grams(before, numbers)
    if reason == "above_ceiling":
        return _gate(before, state, reason, now, numbers)
    # A gate that closes only now has waited for nothing yet.
    waits = state == "closed" and (before is None or before.state != "open")
    if before is not None and _dwells(before, rule, now):
        if state != before.state:
            state, reason = before.state, "dwell"
            numbers |= _spans("changed_s", now - before.since, "dwell_s", rule.dwell)
    elif waits and now - waiting_since >= rule.patience:
        reason = "patience_spent" if patience_allowed else "patience_over_budget"
        state = "open_by_patience" if patience_allowed else "closed"
        numbers |= _spans("waited_s", now - waiting_since, "patience_s", rule.patience)
    return _gate(before, state, reason, now, numbers)


def _unfit(reading: Reading | None, rule: GateRule, now: datetime) -> Code | None:
    """Return why a reading cannot be held against the threshold now, `None` if it can."""
    if reading is None:
        return "no_reading"
    if not reading.start <= now < reading.end:
        return "stale_reading"
    return None if reading.family == rule.family else "other_family"


def _gate(
    before: Gate | None, state: State, reason: Code, now: datetime, numbers: Mapping[str, float]
) -> Gate:
    since = before.since if before is not None and before.state == state else now
    return Gate(state=state, since=since, reason=reason, numbers=numbers)


def _numbers(now_reading: Reading, week: Mapping[str, float], rule: GateRule) -> dict[str, float]:
    return {
        "intensity_gco2eq_per_kwh": now_reading.gco2eq_per_kwh,
        "threshold_gco2eq_per_kwh": rule.threshold_gco2eq_per_kwh,
        "ceiling_gco2eq_per_kwh": rule.ceiling_gco2eq_per_kwh,
        **week,
    }


def _by_grams(before: Gate | None, numbers: Mapping[str, float]) -> tuple[State, Code]:
    intensity = numbers["intensity_gco2eq_per_kwh"]
    if intensity > numbers["ceiling_gco2eq_per_kwh"]:
        return "closed", "above_ceiling"
    if intensity <= numbers["threshold_gco2eq_per_kwh"]:
        return "open", "below_threshold"
    if intensity <= numbers.get("q30_gco2eq_per_kwh", -math.inf):
        return "open", "clean_for_zone"
    if intensity > numbers.get("q50_gco2eq_per_kwh", -math.inf):
        return "closed", "above_threshold"
    was_open = before is not None and before.state == "open"
    return ("open" if was_open else "closed"), "between"


def _dwells(before: Gate, rule: GateRule, now: datetime) -> bool:
    # An exception ends as soon as it was used; a clock set back must not hold a gate for ever.
    return before.state in {"open", "closed"} and timedelta(0) <= now - before.since < rule.dwell


def _spans(name: str, span: timedelta, limit_name: str, limit: timedelta) -> dict[str, float]:
    return {name: span.total_seconds(), limit_name: limit.total_seconds()}
