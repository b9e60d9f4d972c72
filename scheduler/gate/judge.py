"""Judging a gate: the rule as a function of the zone's reading and week, and of the wait."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from scheduler.carbon.reading import Reading, refuse_naive
from scheduler.gate.gate import PATIENCE, UNFIT, Gate, GateRule
from scheduler.ledger.events.gate import Code, State

_FIRST = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)


class ZoneJudge:
    """Judges the gates of one zone at one instant. What all its clients share is worked out once.

    Args:
        reading: What holds in the zone at `now`; `None` if nothing is known.
        week: What is clean and what is usual in the zone, as `week_of` returns it.
        rule: When gates open and close.
        now: The time on the grid clock, aware.
        patience_allowed: Whether the gram budget allows an exception.

    Raises:
        SignalError: If `now` is naive.
    """

    def __init__(
        self,
        reading: Reading | None,
        week: Mapping[str, float],
        *,
        rule: GateRule,
        now: datetime,
        patience_allowed: bool,
    ) -> None:
        refuse_naive(now)
        self._reading, self._week, self._rule, self._now = reading, week, rule, now
        self._patience_allowed = patience_allowed
        self._grid = _judge_grid(reading, week, rule, now)
        self._gates: dict[tuple[State | None, datetime | None, bool], Gate] = {}
        # Beyond the calendar nobody has waited for so long.
        has_begun = rule.patience < now - _FIRST
        self._spent_until = now - rule.patience if has_begun else None

    def gate(self, before: Gate | None, waiting_since: datetime) -> Gate:
        """Return the gate of a client.

        Args:
            before: The gate as last judged; `None` at first.
            waiting_since: When the client last trained or its gate was last open, whichever is
                later. A gate that turns unknown for a while, or was closed by the ceiling, starts
                no new wait.
        """
        spent = self._spent_until is not None and waiting_since <= self._spent_until
        facts = (before.state, before.since, spent) if before else (None, None, spent)
        gate = self._gates.get(facts)
        if gate is None:
            gate = self._gates[facts] = self._judge(before, spent=spent)
        if gate.reason not in PATIENCE:
            return gate
        own = {
            "waited_s": (self._now - waiting_since).total_seconds(),
            "patience_s": self._rule.patience.total_seconds(),
        }
        return Gate(gate.state, gate.since, gate.reason, {**gate.numbers, **own})

    def _judge(self, before: Gate | None, *, spent: bool) -> Gate:
        """Return the gate of all clients with that gate before, but for how long they waited."""
        rule, now = self._rule, self._now
        state, reason = _settle(
            self._grid, before.state if before else None, dwells=_dwells(before, rule, now),
            spent=spent, patience_allowed=self._patience_allowed,
            unknown_may_train=rule.unknown_may_train,
        )  # fmt: skip
        since = before.since if before is not None and before.state == state else now
        numbers = _numbers_of(reason, self._reading, self._week, rule)
        if reason == "dwell":
            changed_s, dwell_s = (now - since).total_seconds(), rule.dwell.total_seconds()
            numbers |= {"changed_s": changed_s, "dwell_s": dwell_s}
        return Gate(state, since, reason, numbers)


def _judge_grid(
    reading: Reading | None, week: Mapping[str, float], rule: GateRule, now: datetime
) -> Code:
    """Return the code of the grid alone: why it cannot be judged, or how clean it is."""
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


def _settle(
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
        grid: The code of the grid, as `_judge_grid` returns it.
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


def _dwells(before: Gate | None, rule: GateRule, now: datetime) -> bool:
    """Return whether a gate keeps its state: it is open or closed, and changed a moment ago."""
    # An exception ends as soon as it was used; a clock set back must not hold a gate for ever.
    if before is None or before.state not in ("open", "closed"):
        return False
    return timedelta(0) <= now - before.since < rule.dwell


def _numbers_of(
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
