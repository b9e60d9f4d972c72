"""A canvas: scales and marks of a plot as SVG, for the report and for the study."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]

_DECADES = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to places: `[low, high]` to `[start, end]`, by their logarithms if `log`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, value: float) -> float:
        """Return where a value is, within the ends."""
        low, high, at = (self._of(v) for v in (self.low, self.high, value))
        share = (at - low) / ((high - low) or 1.0)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Return round values within the ends."""
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            every = [n * 10.0**power for power in powers for n in _DECADES]
            return [value for value in every if self.low <= value <= self.high]
        least = (self.high - self.low) / about
        power = 10.0 ** math.floor(math.log10(least))
        step = next(power * n for n in (1, 2, 5, 10) if power * n >= least * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [n * step for n in range(first, last + 1)]

    def _of(self, value: float) -> float:
        return math.log(max(value, self.low)) if self.log else value


def text(
    x: float, y: float, words: str, *, anchor: str = "start", faint: bool = False,
    strong: bool = False,
) -> str:  # fmt: skip
    """Return words."""
    kind = ' class="faint"' if faint else ' class="strong"' if strong else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(words)}</text>'


def line(points: Sequence[Point], kind: str) -> str:
    """Return a line through points."""
    return f'<path class="{kind}" d="M{_joined(points)}"/>'


def stepped(points: Sequence[Point], kind: str) -> str:
    """Return a line on which a value holds until the next point."""
    (x0, y0), *rest = points
    steps = "".join(f"H{x:.1f}V{y:.1f}" for x, y in rest)
    return f'<path class="{kind}" d="M{x0:.1f} {y0:.1f}{steps}"/>'


def area(points: Sequence[Point], kind: str) -> str:
    """Return a filled area within points."""
    return f'<path class="{kind}" d="M{_joined(points)}Z"/>'


def rectangle(x: float, y: float, width: float, height: float, *, kind: str) -> str:
    """Return a bar."""
    size = f'width="{max(0.0, width):.1f}" height="{height:.1f}"'
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" {size} rx="2"/>'


def _joined(points: Sequence[Point]) -> str:
    return "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
