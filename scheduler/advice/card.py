"""Advice for one site: all figures of its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any

from scheduler.advice.chance import Chances
from scheduler.advice.change import SiteChange
from scheduler.advice.clean_hours import Outlook, Week
from scheduler.advice.place import Place
from scheduler.advice.practice import Practice
from scheduler.federation.left_out import LeftOut


@dataclass(frozen=True, slots=True)
class CardLine:
    """One change, what it would save a month at the present rate, and its chances after it.

    `chances` is `None` where no round was planned yet.
    """

    change: SiteChange
    saves_gco2eq_per_month: float
    chances: Chances | None


@dataclass(frozen=True, slots=True)
class Advice:
    """What one site could do to emit less.

    Attributes:
        client: Whose advice.
        zone: Its grid.
        at: When it was worked out, on the grid clock.
        worked_until: When the federation's last round ended, on the grid clock; now while one is
            open. Practice is of the five weeks before.
        practice: How it works; `None` before its first update with known energy.
        outlook: The next 24 hours; `None` if unknown.
        week: The typical week; `None` if unknown.
        places: Its place among its peers, cause by cause.
        chances: How often it was eligible, good enough and drawn; `None` before the first round.
        left_out: The runs under way whose robust rule leaves its updates out again and again.
        lines: What it could change, most grams first. Savings overlap, so they do not add up.
        missing: What is unknown, and why: one sentence each.
    """

    client: str
    zone: str
    at: datetime
    worked_until: datetime
    practice: Practice | None
    outlook: Outlook | None
    week: Week | None
    places: tuple[Place, ...]
    chances: Chances | None
    left_out: tuple[LeftOut, ...]
    lines: tuple[CardLine, ...]
    missing: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as JSON can hold them."""
        body: dict[str, Any] = _plain(self)
        return body


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value
