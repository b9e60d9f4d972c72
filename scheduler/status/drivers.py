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


_LONG = 3
"""A task that holds the coordinator up for so many times `silent_after_s` is named: it may be a
large sum, or hang."""


@dataclass(frozen=True)
class Busy:
    """A task that leaves a driver no process for another one."""

    task: str
    for_s: float


@dataclass(frozen=True)
class Driver:
    """One process that a federation needs.

    Attributes:
        name: Which one.
        state: `silent` if its last sign of life is too old, `never_seen` if there is none within a
            day, `unknown` if Redis, which keeps the signs, cannot be used.
        seen_at: When its last sign of life came; `None` if there is none.
        silent_s: How long ago that was, in s.
        held_up_by: What has held it up for long, though it runs; `None` if nothing has.
        up: The `fairwind up` of whose federation it is; empty if it is of none.
    """

    name: DriverName
    state: DriverState
    seen_at: datetime | None = None
    silent_s: float | None = None
    held_up_by: Busy | None = None
    up: str = ""

    @property
    def command(self) -> str:
        """What starts it."""
        return self.up or COMMANDS[self.name]

    @property
    def is_missing(self) -> bool:
        """Whether it is known not to run."""
        return self.state in ("silent", "never_seen")

    def sentence(self) -> str:
        """Return what is wrong, what follows and what to do; empty if nothing is."""
        name = self.name.capitalize() if self.name == "beat" else f"The {self.name}"
        if busy := self.held_up_by:
            return (
                f"{name} has been at its task {busy.task} for {show_duration(busy.for_s)}, and "
                f"meanwhile {_CONSEQUENCES[self.name]}. If it does not end, look into its log and "
                "restart it."
            )
        if not self.is_missing:
            return ""
        since = (
            "is not running"
            if self.silent_s is None
            else f"was last seen {show_duration(self.silent_s)} ago"
        )
        return f"{name} {since}, so {_CONSEQUENCES[self.name]}. Start: {self.command}"

    def to_dict(self) -> dict[str, Any]:
        """Return it for a page."""
        return {
            "driver": self.name,
            "state": self.state,
            "seen_at": self.seen_at.timestamp() if self.seen_at else None,
            "silent_s": self.silent_s,
            "held_up_by": self.held_up_by.task if self.held_up_by else None,
            "command": self.command,
        }


@dataclass(frozen=True)
class Drivers:
    """What is known of all drivers at one instant.

    Attributes:
        coordinator: The worker that plans, receives and aggregates.
        beat: The process that wakes it.
        fault: What is wrong with Redis, and what to do; empty if nothing is.
        looked: Whether anybody looked; a forecast or a simulation has no such processes.
    """

    coordinator: Driver = Driver("coordinator", "unknown")
    beat: Driver = Driver("beat", "unknown")
    fault: str = ""
    looked: bool = True

    @classmethod
    def seen(
        cls,
        ages_s: Mapping[DriverName, float | None],
        *,
        now: datetime,
        silent_after_s: float,
        busy: Busy | None = None,
        up: str = "",
    ) -> Drivers:
        """Return the drivers by the age of their last signs of life.

        Args:
            ages_s: How long ago each was last seen, in s; `None` if it was not seen for a day.
            now: On the wall clock.
            silent_after_s: A driver is missing if it was not seen for this long, in s.
            busy: What held the coordinator up when it was last seen.
            up: The `fairwind up` that started them, and that starts them again.
        """

        def driver(name: DriverName) -> Driver:
            age_s = ages_s.get(name)
            if age_s is None:
                return Driver(name, "never_seen", up=up)
            state: DriverState = "silent" if age_s > silent_after_s else "running"
            is_held = busy and busy.for_s >= _LONG * silent_after_s and state == "running"
            held = busy if is_held and name == "coordinator" else None
            return Driver(name, state, now - timedelta(seconds=age_s), age_s, held, up)

        return cls(driver("coordinator"), driver("beat"))

    @classmethod
    def unusable(cls, fault: str) -> Drivers:
        """Return what is known where Redis does not answer or takes no writes: only that."""
        return cls(fault=fault)

    @property
    def level(self) -> Literal["running", "missing", "unusable", "unknown"]:
        """What the header of a page shows: only `running` is green."""
        if not self.looked:
            return "unknown"
        if self.fault:
            return "unusable"
        return "missing" if self.missing() else "running"

    def missing(self) -> list[Driver]:
        """Return the drivers that are known not to run."""
        return [each for each in (self.coordinator, self.beat) if each.is_missing]

    def sentences(self) -> list[str]:
        """Return a sentence on each thing that is wrong: what follows, and what to do."""
        each = (self.coordinator.sentence(), self.beat.sentence())
        return [self.fault] if self.fault else [text for text in each if text]

    def line(self) -> str:
        """Return when each was last seen, in one line.

        >>> Drivers(Driver("coordinator", "silent", silent_s=90), Driver("beat", "running")).line()
        'coordinator last seen 1 min 30 s ago, beat running, Redis answers'
        """
        redis = "Redis fails" if self.fault else "Redis answers"
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
    if busy := driver.held_up_by:
        return f"{driver.name} at {busy.task} for {show_duration(busy.for_s)}"
    return f"{driver.name} {driver.state}"
