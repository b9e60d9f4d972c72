"""A plot: lines over two axes as inline SVG, that needs no script and prints in black and white."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 720, 290
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 40, 28, 44
_TICKS = 5
_FEWEST_POINTS = 2

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class PlotLine:
    """One line of a plot; `stepped` if a value holds until the next one."""

    name: str
    points: Sequence[Point]
    stepped: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows, with its unit; `tick` writes its ticks, else they are round numbers."""

    label: str
    tick: Callable[[float], str] | None = None
    from_zero: bool = False


def plot(title: str, lines: Sequence[PlotLine], x: Axis, y: Axis) -> str:
    """Return an SVG element, or nothing where no line has two points.

    Lines are told apart by their dashes as well as by their colours.
    """
    shown = [line for line in lines if len(line.points) >= _FEWEST_POINTS]
    if not shown:
        return ""
    xs = [point[0] for line in shown for point in line.points]
    ys = [point[1] for line in shown for point in line.points]
    across, up = _Scale(xs, x, _LEFT, WIDTH - _RIGHT), _Scale(ys, y, HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg class="plot" role="img" viewBox="0 0 {WIDTH} {HEIGHT}">',
        f"<title>{escape(title)}</title>",
    ]
    for at, label in up.ticks():
        parts.append(f'<path class="grid" d="M{_LEFT} {at:.1f}H{WIDTH - _RIGHT}"/>')
        parts.append(_text(_LEFT - 6, at + 4, label, "end"))
    parts += [_text(at, HEIGHT - _BOTTOM + 16, label, "middle") for at, label in across.ticks()]
    parts.append(_text((WIDTH + _LEFT) / 2, HEIGHT - 6, x.label, "middle"))
    parts.append(_text(6, _TOP - 14, y.label, "start"))
    for number, line in enumerate(shown):
        parts.append(f'<path class="line l{number % 4}" d="{_path(line, across, up)}"/>')
    parts.append("</svg>")
    return "".join(parts) + _legend(shown)


class _Scale:
    """Maps one axis' values to the picture."""

    def __init__(self, values: Sequence[float], axis: Axis, start: float, end: float) -> None:
        self._low = min(0.0, *values) if axis.from_zero else min(values)
        self._span = (max(values) - self._low) or 1.0
        self._axis, self._start, self._end = axis, start, end

    def place(self, value: float) -> float:
        return self._start + (value - self._low) / self._span * (self._end - self._start)

    def ticks(self) -> list[tuple[float, str]]:
        if self._axis.tick is not None:
            values = [self._low + self._span * n / (_TICKS - 1) for n in range(_TICKS)]
            return [(self.place(value), self._axis.tick(value)) for value in values]
        step = _round_step(self._span / (_TICKS - 1))
        first, last = math.ceil(self._low / step), math.floor((self._low + self._span) / step)
        return [(self.place(n * step), f"{n * step:,.6g}") for n in range(first, last + 1)]


def _round_step(least: float) -> float:
    """Return the first of 1, 2 and 5 times a power of ten that is not below `least`."""
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= least * (1 - 1e-9))


def _path(line: PlotLine, across: _Scale, up: _Scale) -> str:
    places = [(across.place(x), up.place(y)) for x, y in line.points if math.isfinite(x + y)]
    (x0, y0), rest = places[0], places[1:]
    steps = [f"H{x:.1f}V{y:.1f}" if line.stepped else f"L{x:.1f} {y:.1f}" for x, y in rest]
    return f"M{x0:.1f} {y0:.1f}" + "".join(steps)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _legend(lines: Sequence[PlotLine]) -> str:
    keys = (
        f'<li><svg width="34" height="8"><path class="line l{n % 4}" d="M0 4H34"/></svg> '
        f"{escape(line.name)}</li>"
        for n, line in enumerate(lines)
    )
    return f'<ul class="legend">{"".join(keys)}</ul>'
