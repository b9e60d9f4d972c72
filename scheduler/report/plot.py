"""A plot: lines over two axes as inline SVG, that needs no script and prints in black and white."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from scheduler.report import canvas
from scheduler.report.canvas import Point, Scale, text

WIDTH, HEIGHT = 720, 290
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 40, 28, 44
_TICKS = 5
_FEWEST_POINTS = 2
_END, _BASE = WIDTH - _RIGHT, HEIGHT - _BOTTOM


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


@dataclass(frozen=True, slots=True)
class Level:
    """A value of the upward axis, such as a budget: a line across the plot with its name on it."""

    name: str
    value: float


def plot(
    title: str, lines: Sequence[PlotLine], x: Axis, y: Axis, *, levels: Sequence[Level] = ()
) -> str:
    """Return an SVG element, or nothing where no line has two points.

    Lines differ by their dashes as well as by their colours. A level far above all lines would
    flatten them: its name stands at the upper edge instead.
    """
    shown = [line for line in lines if len(line.points) >= _FEWEST_POINTS]
    if not shown:
        return ""
    across = _scale([point[0] for line in shown for point in line.points], x, _LEFT, _END)
    values = [point[1] for line in shown for point in line.points]
    near = [level.value for level in levels if level.value <= _NEAR * max(values)]
    up = _scale([*values, *near], y, _BASE, _TOP)
    parts = [
        f'<svg class="plot" role="img" viewBox="0 0 {WIDTH} {HEIGHT}">',
        f"<title>{escape(title)}</title>",
    ]
    for at, label in _ticks(up, y):
        parts.append(canvas.line([(_LEFT, at), (_END, at)], "grid"))
        parts.append(text(_LEFT - 6, at + 4, label, anchor="end"))
    parts += [text(at, _BASE + 16, label, anchor="middle") for at, label in _ticks(across, x)]
    parts.append(text((WIDTH + _LEFT) / 2, HEIGHT - 6, x.label, anchor="middle"))
    parts.append(text(6, _TOP - 14, y.label))
    for number, line in enumerate(shown):
        points = [(across.place(a), up.place(b)) for a, b in line.points if math.isfinite(a + b)]
        draw = canvas.stepped if line.stepped else canvas.line
        parts.append(draw(points, f"line l{number % 4}"))
    for number, level in enumerate(sorted(levels, key=lambda level: level.value)):
        parts += _level(level, up, inset=200 * (number % 3))
    parts.append("</svg>")
    return "".join(parts) + _legend(shown)


def _level(level: Level, up: Scale, *, inset: float) -> list[str]:
    at = up.place(level.value)
    if level.value > up.high:
        return [
            text(
                _END - inset, _TOP - 3, f"{level.name} (above this plot)", anchor="end", strong=True
            )
        ]
    return [
        canvas.line([(_LEFT, at), (_END, at)], "level"),
        text(_END - inset, at - 4, level.name, anchor="end", strong=True),
    ]


_NEAR = 3.0
"""A level within so many times the largest value is in the plot."""

_LEAST_SPAN = 1e-300
"""A smaller one has no steps that a float could tell apart."""


def _scale(values: Sequence[float], axis: Axis, start: float, end: float) -> Scale:
    low = min(0.0, *values) if axis.from_zero else min(values)
    span = max(values) - low
    return Scale(low, low + (span if span > _LEAST_SPAN else 1.0), start, end)


def _ticks(scale: Scale, axis: Axis) -> list[tuple[float, str]]:
    if axis.tick is None:
        return [(scale.place(value), f"{value:,.6g}") for value in scale.ticks(_TICKS - 1)]
    step = (scale.high - scale.low) / (_TICKS - 1)
    values = [scale.low + step * number for number in range(_TICKS)]
    return [(scale.place(value), axis.tick(value)) for value in values]


def _legend(lines: Sequence[PlotLine]) -> str:
    keys = (
        f'<li><svg width="34" height="8"><path class="line l{n % 4}" d="M0 4H34"/></svg> '
        f"{escape(line.name)}</li>"
        for n, line in enumerate(lines)
    )
    return f'<ul class="legend">{"".join(keys)}</ul>'
