"""The figures of the study: what accuracy costs, grams to the target, what forecasts are worth."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from scheduler.report.canvas import Scale, area, line, rectangle, text
from simulation.study.comparison import OURS, best_published
from simulation.study.conduct import StudyResults
from simulation.study.contender import Chapter
from simulation.study.measures import Row
from simulation.study.statistics import estimate

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

_WIDTH, _HEIGHT = 760, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 20, 66, 46
_STEPS = 60
_BAR = 16
_NAMES = 130
_PANEL = 380

_KINDS = {OURS: "c0", "random": "c1 d1", "all": "c1 d2", "oracle": "c4 d3"}
_PUBLISHED = "c2"


def draw(results: StudyResults, *, quick: bool) -> dict[str, str]:
    """Return SVG files by name."""
    prefix = "quick-" if quick else ""
    compared = [c for c in results.chapters if c.reference == "random"]
    pictures = {f"{prefix}grams.svg": bars(results, compared)} if compared else {}
    if quick:
        return pictures
    for chapter in compared:
        pictures[f"curve-{chapter.name}.svg"] = curves(results, chapter)
        if chapter.of("forecast"):
            pictures[f"forecast-{chapter.name}.svg"] = skill(results, chapter)
    return pictures


def curves(results: StudyResults, chapter: Chapter) -> str:
    """Return the metric against all emissions: the mean of all seeds, and their 95 % interval."""
    best = best_published(results, chapter)
    known = {contender.name for contender in chapter.of("policy")}
    shown = [n for n in (OURS, best, "random", "oracle", "all") if n in known]
    runs = {name: results.of(chapter.name, str(name)) for name in shown}
    runs = {name: rows for name, rows in runs.items() if rows and all(r.curve for r in rows)}
    by = results.yardsticks[chapter.name]
    lowest = min(row.curve[0][0] for rows in runs.values() for row in rows)
    across = Scale(lowest, by.reference_gco2eq * 2, _LEFT, _WIDTH - _RIGHT, log=True)
    bottom = by.target - max(0.1, 2.5 * (1 - by.target))
    top = min(1.0, max(v for rows in runs.values() for r in rows for _, v in r.curve) + 0.01)
    up = Scale(max(0.0, bottom), top, _HEIGHT - _BOTTOM, _TOP)
    parts = _axes(across, up, f"{by.metric}", "gCO2eq emitted until then (logarithmic)")
    goal = up.place(by.target)
    parts.append(line([(_LEFT, goal), (_WIDTH - _RIGHT, goal)], "line c3 d2"))
    parts.append(text(_LEFT + 4, goal - 4, "target", faint=True))
    at = float(_LEFT)
    for name, rows in runs.items():
        kind = _KINDS.get(str(name), _PUBLISHED)
        parts += _banded(rows, across, up, kind)
        parts.append(line([(at, 34), (at + 26, 34)], f"line {kind}"))
        parts.append(text(at + 31, 38, str(name)))
        at += 31 + 8 * len(str(name)) + 18
    parts.append(text(_LEFT, 16, f"{chapter.name}: {chapter.title}"))
    return svg(f"{chapter.name}: {by.metric} against emissions", _WIDTH, _HEIGHT, parts)


def _axes(across: Scale, up: Scale, y_label: str, x_label: str) -> list[str]:
    parts = []
    for value in up.ticks():
        y = up.place(value)
        parts.append(line([(_LEFT, y), (_WIDTH - _RIGHT, y)], "grid"))
        parts.append(text(_LEFT - 6, y + 4, f"{value:.3g}", anchor="end", faint=True))
    for value in across.ticks():
        x = across.place(value)
        parts.append(text(x, _HEIGHT - _BOTTOM + 18, f"{value:g}", anchor="middle", faint=True))
    parts.append(text(6, _TOP - 8, y_label, faint=True))
    parts.append(text(_WIDTH - _RIGHT, _HEIGHT - 8, x_label, anchor="end", faint=True))
    return parts


def _banded(rows: Sequence[Row], across: Scale, up: Scale, kind: str) -> list[str]:
    """Return the mean over seeds and its interval, from where the mean comes into the picture."""
    first = max(row.curve[0][0] for row in rows)
    last = min(max(row.curve[-1][0] for row in rows), across.high)
    mean, above, below = [], [], []
    for grams in np.geomspace(first, max(last, first), _STEPS).tolist():
        found = estimate([_metric_at(row, grams) for row in rows])
        if found.mean >= up.low:
            x, half = across.place(grams), found.half or 0.0
            mean.append((x, up.place(found.mean)))
            above.append((x, up.place(found.mean + half)))
            below.append((x, up.place(found.mean - half)))
    if not mean:
        return []
    colour = kind.split(maxsplit=1)[0]
    return [area([*above, *reversed(below)], f"band {colour}"), line(mean, f"line {kind}")]


def _metric_at(row: Row, gco2eq: float) -> float:
    """Return about what a run's metric was when it had emitted so much."""
    spent, values = zip(*row.curve, strict=True)
    return float(np.interp(gco2eq, spent, values))


def bars(results: StudyResults, chapters: Sequence[Chapter]) -> str:
    """Return a panel for each chapter: grams to the target of every policy, least first."""
    panels, columns = [_panel(results, chapter) for chapter in chapters], [0.0, 0.0]
    parts = []
    for height, drawn in panels:
        column = 0 if columns[0] <= columns[1] else 1
        moved = f"translate({column * _PANEL},{columns[column]:.0f})"
        parts.append(f'<g transform="{moved}">{"".join(drawn)}</g>')
        columns[column] += height
    return svg("Grams to the target by scenario", 2 * _PANEL, max(columns), parts)


def _panel(results: StudyResults, chapter: Chapter) -> tuple[float, list[str]]:
    names = [c.name for c in chapter.of("policy") if c.name != "all"]
    found = {name: results.of(chapter.name, name) for name in names}
    costs = {
        name: estimate([row.grams_to_target or 0.0 for row in rows])
        for name, rows in found.items()
        if all(row.grams_to_target is not None for row in rows)
    }
    order = sorted(names, key=lambda n: (n not in costs, costs[n].mean if n in costs else 0, n))
    most = max((e.mean + (e.half or 0) for e in costs.values()), default=1.0)
    scale = Scale(0, most, _NAMES, _PANEL - 60)
    parts = [text(10, 20, f"{chapter.name}, gCO2eq to target")]
    for row, name in enumerate(order):
        y = 32.0 + row * (_BAR + 4)
        parts.append(text(_NAMES - 6, y + 12, name, anchor="end"))
        if name not in costs:
            arrived = sum(r.grams_to_target is not None for r in found[name])
            parts.append(text(_NAMES, y + 12, f"{arrived} of {len(found[name])}", faint=True))
            continue
        parts += _bar(scale, y, costs[name].mean, costs[name].half or 0, _colour(chapter, name))
    return 32.0 + len(order) * (_BAR + 4) + 14, parts


def _colour(chapter: Chapter, name: str) -> str:
    kind = _KINDS.get(name, _PUBLISHED if chapter.find(name).published else "c1")
    return kind.split()[0]


def _bar(scale: Scale, y: float, mean: float, half: float, colour: str) -> list[str]:
    end = scale.place(mean)
    low, high = scale.place(mean - half), scale.place(mean + half)
    middle = y + _BAR / 2
    return [
        rectangle(scale.start, y, end - scale.start, _BAR, kind=f"bar {colour}"),
        line([(low, middle), (high, middle)], "whisker"),
        text(max(high, end) + 5, y + 12, f"{mean:.3g}", faint=True),
    ]


def skill(results: StudyResults, chapter: Chapter) -> str:
    """Return grams to the target of each policy under each forecast."""
    usual: str = chapter.base.forecast.mode
    names = list(dict.fromkeys(c.name for c in chapter.of("forecast")))
    runs = {(name, usual): results.of(chapter.name, name) for name in names}
    for contender in chapter.of("forecast"):
        mode = str(contender.forecast)
        runs[contender.name, mode] = results.of(chapter.name, contender.name, mode)
    grams = {
        key: [row.grams_to_target for row in rows if row.grams_to_target is not None]
        for key, rows in runs.items()
    }
    costs = {key: estimate(g) for key, g in grams.items() if g and len(g) == len(runs[key])}
    most = max((e.mean + (e.half or 0) for e in costs.values()), default=1.0)
    scale = Scale(0, most, _NAMES + 90, _WIDTH - 70)
    parts, y = [text(10, 20, f"{chapter.name}: gCO2eq to target by forecast")], 32.0
    for name in names:
        parts.append(text(10, y + 12, name))
        for mode in [mode for contender, mode in runs if contender == name]:
            parts.append(text(_NAMES + 84, y + 12, mode, anchor="end", faint=True))
            if (name, mode) in costs:
                found = costs[name, mode]
                parts += _bar(scale, y, found.mean, found.half or 0, _colour(chapter, name))
            else:
                reached = f"{len(grams[name, mode])} of {len(runs[name, mode])}"
                parts.append(text(_NAMES + 90, y + 12, reached, faint=True))
            y += _BAR + 4
        y += 10
    return svg(f"{chapter.name}: what forecasts are worth", _WIDTH, y + 4, parts)


def svg(title: str, width: float, height: float, parts: Sequence[str]) -> str:
    """Return a whole SVG file that reads well on light and dark pages."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}">\n<title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )
