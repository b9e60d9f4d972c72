"""A goal: the value of a metric at which a run has learned enough."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}

_GOAL = re.compile(r"\s*(\S.*?)\s*(>=|<=|>|<)\s*(\S+)\s*")


@dataclass(frozen=True, slots=True)
class Goal:
    """A metric, how it is compared, and with what."""

    metric: str
    comparison: str
    value: float

    @property
    def wants_less(self) -> bool:
        """Whether values below the goal's reach it."""
        return self.comparison.startswith("<")

    def is_reached(self, value: float | None) -> bool:
        """Return whether a value of the metric reaches the goal; an unknown one does not."""
        return value is not None and _COMPARISONS[self.comparison](value, self.value)


def parse_goal(text: str) -> Goal:
    """Return the goal that a text states.

    Raises:
        ValueError: If it states none.

    >>> parse_goal("accuracy >= 0.9")
    Goal(metric='accuracy', comparison='>=', value=0.9)
    >>> parse_goal("loss<0.1").is_reached(0.05)
    True
    """
    matched = _GOAL.fullmatch(text)
    try:
        value = float(matched[3]) if matched else math.nan
    except ValueError:
        value = math.nan
    if matched is None or not math.isfinite(value):
        msg = f"{text!r} states no goal: give a metric, a comparison and a number: accuracy>=0.9"
        raise ValueError(msg)
    return Goal(matched[1], matched[2], value)
