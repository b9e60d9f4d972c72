"""The drivers of a federation: coordinator, beat and Redis, and when each was last seen.

All times are on the wall clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from common.units import show_duration

DriverName = Literal["coordinator", "beat"]
DriverState = Literal["running", "silent", "never_seen", "unknown"]

COMMANDS: Mapping[DriverName, str] = {
    "coordinator": "celery -A tasks worker -Q coordinator,aggregation",
    "beat": "celery -A tasks beat",
}
"""What starts each driver."""

_CONSEQUENCES: Mapping[DriverName, str] = {
    "coordinator": "nothing is planned, received or aggregated",
    "beat": "no round starts by itself and no deadline is kept",
}


@dataclass(frozen=True)
class Driver:
    """One process that a federation needs.

    Attributes:
        name: Which one.
        state: `silent` if its last sign of life is too old, `never_seen` if there is none within a
            day, `unknown` if Redis, which keeps the signs, does not answer.
        seen_at: When its last sign of life came; `None` if there is none.
        silent_s: How long ago that was, in s.
    """

    name: DriverName
    state: DriverState
    seen_at: datetime | None = None
    silent_s: float | None = None

    @property
    def is_missing(self) -> bool:
        """Whether it is known not to run."""
        return self.state in ("silent", "never_seen")

    def sentence(self) -> str:
        """Return what is wrong, what follows and what to do; only for a driver that is missing."""
        name = self.name.capitalize() if self.name == "beat" else f"The {self.name}"
        since = (
            "is not running"
            if self.silent_s is None
            else f"was last seen {show_duration(self.silent_s)} ago"
        )
        return f"{name} {since}, so {_CONSEQUENCES[self.name]}. Start: {COMMANDS[self.name]}"

    def to_dict(self) -> dict[str, Any]:
        """Return it for a page."""
        return {
            "driver": self.name,
            "state": self.state,
            "seen_at": self.seen_at.timestamp() if self.seen_at else None,
            "silent_s": self.silent_s,
            "command": COMMANDS[self.name],
        }


@dataclass(frozen=True)
class Drivers:
    """What is known of all drivers at one instant.

    Attributes:
        coordinator: The worker that plans, receives and aggregates.
        beat: The process that wakes it.
        fault: What is wrong with Redis, and what to do; empty if it answers.
        looked: Whether anybody looked; a forecast or a simulation has no such processes.
    """

    coordinator: Driver = Driver("coordinator", "unknown")
    beat: Driver = Driver("beat", "unknown")
    fault: str = ""
    looked: bool = True

    @classmethod
    def seen(
        cls, ages_s: Mapping[DriverName, float | None], *, now: datetime, silent_after_s: float
    ) -> Drivers:
        """Return the drivers by the age of their last signs of life.

        Args:
            ages_s: How long ago each was last seen, in s; `None` if it was not seen for a day.
            now: On the wall clock.
            silent_after_s: A driver is missing if it was not seen for this long, in s.
        """

        def driver(name: DriverName) -> Driver:
            age_s = ages_s.get(name)
            if age_s is None:
                return Driver(name, "never_seen")
            state: DriverState = "silent" if age_s > silent_after_s else "running"
            return Driver(name, state, now - timedelta(seconds=age_s), age_s)

        return cls(driver("coordinator"), driver("beat"))

    @classmethod
    def unreachable(cls, fault: str) -> Drivers:
        """Return what is known where Redis does not answer: nothing but that."""
        return cls(fault=fault)

    @property
    def level(self) -> Literal["running", "missing", "unreachable", "unknown"]:
        """What the header of a page shows: only `running` is green."""
        if not self.looked:
            return "unknown"
        if self.fault:
            return "unreachable"
        return "missing" if self.missing() else "running"

    def missing(self) -> list[Driver]:
        """Return the drivers that are known not to run."""
        return [each for each in (self.coordinator, self.beat) if each.is_missing]

    def sentences(self) -> list[str]:
        """Return a sentence on each thing that is wrong: what follows, and what to do."""
        return [self.fault] if self.fault else [each.sentence() for each in self.missing()]

    def line(self) -> str:
        """Return when each was last seen, in one line.

        >>> Drivers(Driver("coordinator", "silent", silent_s=90), Driver("beat", "running")).line()
        'coordinator last seen 1 min 30 s ago, beat running, Redis answers'
        """
        redis = "Redis does not answer" if self.fault else "Redis answers"
        return ", ".join([*(_shown(each) for each in (self.coordinator, self.beat)), redis])

    def to_dict(self) -> dict[str, Any]:
        """Return them for a page."""
        return {
            "level": self.level,
            "line": self.line(),
            "sentences": self.sentences(),
            "fault": self.fault,
            "each": [self.coordinator.to_dict(), self.beat.to_dict()],
        }


UNSEEN = Drivers(looked=False)
"""Where nobody looked."""


def _shown(driver: Driver) -> str:
    if driver.state == "silent":
        return f"{driver.name} last seen {show_duration(driver.silent_s or 0.0)} ago"
    if driver.state == "never_seen":
        return f"{driver.name} not running"
    return f"{driver.name} {driver.state}"
