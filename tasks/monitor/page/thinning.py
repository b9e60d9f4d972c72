"""Fewer points that draw the same line: of each stretch its lowest and its highest stay.

Stretches are as wide as a power of two of some unit and begin at multiples of it, so that a new
point changes the last stretch only.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise


def thinned(
    at: Sequence[float], values: Sequence[float | None], *, unit: float, most: int
) -> list[int]:
    """Return the places of the points to draw, in order: at most about `most`.

    Where a line breaks off or begins again, both neighbours stay, so gaps are as long as they are.

    Args:
        at: Where the points lie, rising.
        values: Their values, `None` where a gap begins.
        unit: The narrowest stretch, in the unit of `at`.
        most: How many points may stay.
    """
    if len(at) <= most:
        return list(range(len(at)))
    width = unit
    while 2 * ((at[-1] - at[0]) / width + 1) > most:
        width *= 2
    kept = {len(at) - 1}
    for _, members in groupby(range(len(at)), key=lambda i: at[i] // width):
        known = [(value, i) for i in members if (value := values[i]) is not None]
        if known:
            kept |= {min(known)[1], max(known, key=lambda each: each[0])[1]}
    for one, other in pairwise(range(len(at))):
        if (values[one] is None) != (values[other] is None):
            kept |= {one, other}
    return sorted(kept)


def merged(spans: Sequence[tuple[float, float]], resolution: float) -> list[tuple[int, int]]:
    """Return stretches of spans, first and last place, with no gap as wide as `resolution` inside.

    Args:
        spans: Begin and end of each, by their begin.
        resolution: How far apart two spans must be to be seen apart, in the spans' own unit.
    """
    found: list[tuple[int, int]] = []
    end = float("-inf")
    for place, (begin, until) in enumerate(spans):
        if found and begin - end < resolution:
            found[-1] = found[-1][0], place
        else:
            found.append((place, place))
        end = max(end, until)
    return found


def power_of_two(least: float) -> float:
    """Return the smallest power of two that is at least `least`, which is above zero."""
    width = 1.0
    while width < least:
        width *= 2
    return width
