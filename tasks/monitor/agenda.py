"""The expected rounds as the page shows them: a table of the next, and how many follow.

A day may hold hundreds of short rounds. The page lists ten, draws bands that touch as one, and
adds up all, so its document stays small however many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

_LISTED: Final = 10
"""So many rounds and waits have a row."""

_NAMED: Final = 12
"""So many clients of a round are named; the others are counted."""

_MOST_BANDS: Final = 100
"""More bands than these blur on the width of the chart."""


def agenda(expected: Sequence[Mapping[str, Any]], problem: str | None) -> dict[str, Any]:
    """Return what the page shows of the rounds to come.

    Args:
        expected: The rounds and the waits between them in order of time, as `describe` returns
            them, with `start` and `end` in seconds since the epoch.
        problem: Why later rounds, or all, are missing.
    """
    begins = [each for each in expected if not each["waiting"] and not each["running"]]
    both = [
        (each["expected_gco2eq"], each["run_now_gco2eq"])
        for each in begins
        if each["expected_gco2eq"] is not None and each["run_now_gco2eq"] is not None
    ]
    return {
        "rows": [_short(each) for each in expected[:_LISTED]],
        "num_rounds": len(begins),
        "expected_gco2eq": sum(gco2eq for gco2eq, _ in both) if both else None,
        "run_now_gco2eq": sum(gco2eq for _, gco2eq in both) if both else None,
        "bands": _bands((each["start"], each["end"]) for each in begins),
        "problem": problem,
    }


def _short(expected: Mapping[str, Any]) -> dict[str, Any]:
    return {**expected, "cohort": expected["cohort"][:_NAMED], "clients": len(expected["cohort"])}


def _bands(spans: Iterable[tuple[float, float]]) -> list[list[float]]:
    """Return spans in order of time, each a band of its own while they are few enough."""
    each = [list(span) for span in spans]
    while len(each) > _MOST_BANDS:
        each = [
            [pair[0][0], max(end for _, end in pair)]
            for pair in (each[at : at + 2] for at in range(0, len(each), 2))
        ]
    return each
