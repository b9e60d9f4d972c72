"""A canvas: scales, axes and marks of a figure as SVG that reads well on light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_STYLE = """
svg { font: 12px system-ui, sans-serif; background: #ffffff }
text { fill: #24292f } .faint { fill: #57606a }
.grid { stroke: #d0d7de; stroke-width: 1; fill: none }
.line { fill: none; stroke-width: 2 } .band { stroke: none; opacity: .18 }
.c0 { color: #0a7d33 } .c1 { color: #6e7781 } .c2 { color: #0969da } .c3 { color: #bc4c00 }
.c4 { color: #8250df } .c5 { color: #afb8c1 }
.line, .whisker { stroke: currentColor } .band, .bar, .dot { fill: currentColor }
.whisker { color: #24292f; stroke-width: 1.5; fill: none }
.d1 { stroke-dasharray: 7 4 } .d2 { stroke-dasharray: 2 3 } .d3 { stroke-dasharray: 9 3 2 3 }
@media (prefers-color-scheme: dark) {
svg { background: #0d1117 } text { fill: #e6edf3 } .faint { fill: #9198a1 }
.grid { stroke: #30363d } .whisker { color: #e6edf3 }
.c0 { color: #3fb950 } .c1 { color: #9198a1 } .c2 { color: #58a6ff } .c3 { color: #f0883e }
.c4 { color: #bc8cff } .c5 { color: #484f58 } }
"""

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


def svg(title: str, width: float, height: float, parts: Sequence[str]) -> str:
    """Return a whole SVG file."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}">\n<title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def text(x: float, y: float, words: str, *, anchor: str = "start", faint: bool = False) -> str:
    """Return words."""
    kind = ' class="faint"' if faint else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(words)}</text>'


def line(points: Sequence[tuple[float, float]], kind: str) -> str:
    """Return a line through points."""
    return f'<path class="{kind}" d="M{_joined(points)}"/>'


def area(points: Sequence[tuple[float, float]], kind: str) -> str:
    """Return a filled area within points."""
    return f'<path class="{kind}" d="M{_joined(points)}Z"/>'


def rectangle(x: float, y: float, width: float, height: float, *, kind: str) -> str:
    """Return a bar."""
    size = f'width="{max(0.0, width):.1f}" height="{height:.1f}"'
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" {size} rx="2"/>'


def _joined(points: Sequence[tuple[float, float]]) -> str:
    return "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
