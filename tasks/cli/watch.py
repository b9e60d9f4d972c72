"""The display of `status --watch`: verdict, bar, time to go and sites, at every change."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from statistics import median
from typing import Any

import click

from common.command_line.screen import Styled, echo
from common.command_line.table import print_table
from common.units import show_duration, show_intensity

_LOOKS_EVERY_S = 2.0

_BAR = 24
"""Characters of a whole bar: it fits into a terminal of 80 columns."""

_MOST_SITES = 15
"""So many sites are listed; `fairwind clients` lists all."""


def watch_status(
    look: Callable[[], dict[str, Any]], show: Callable[[dict[str, Any]], None]
) -> None:
    """Show what `look` returns, and again whenever it changes, until Ctrl-C.

    Args:
        look: Returns the view of a run.
        show: Prints the verdict and the figures of a view.
    """
    shown: list[str] = []
    try:
        while True:
            seen = look()
            if (lines := news(seen)) != shown:
                shown = lines
                click.clear()
                show(seen)
                for line in bar_lines(seen["run"], pace_s=pace_s(seen["rounds"])):
                    echo(line)
                _print_sites(seen["clients"])
                echo(Styled("Ctrl-C ends.", dim=True))
            time.sleep(_LOOKS_EVERY_S)
    except KeyboardInterrupt:
        echo()


def news(seen: dict[str, Any]) -> list[str]:
    """Return what makes a view worth showing again: all but the ages of signs of life."""
    return [repr(seen[part]) for part in ("verdict", "notice", "run", "clients")]


def pace_s(rounds: list[dict[str, Any]]) -> float | None:
    """Return the grid seconds from the end of one round to the end of the next, in the median.

    >>> pace_s([{"ended": 60.0}, {"ended": 120.0}, {"ended": None}]), pace_s([])
    (60.0, None)
    """
    ends = [each["ended"] for each in rounds if each["ended"]]
    spans = [abs(later - earlier) for earlier, later in pairwise(ends)]
    return median(spans) if spans else None


def bar_lines(run: dict[str, Any] | None, *, pace_s: float | None) -> list[str]:
    """Return the bar of a run's rounds, with the time that the rest takes at the pace so far.

    >>> bar_lines({"rounds_done": 3, "rounds_total": 12, "ended": None}, pace_s=60)
    ['Rounds       ######..................  25 %, 9 min to go (grid clock)']
    """
    if run is None or not run["rounds_total"]:
        return []
    done, total = run["rounds_done"], run["rounds_total"]
    filled = round(_BAR * done / total)
    left_s = (total - done) * pace_s if pace_s and not run["ended"] else None
    rest = f", {show_duration(left_s)} to go (grid clock)" if left_s else ""
    bar = "#" * filled + "." * (_BAR - filled)
    return [f"{'Rounds':<13}{bar}  {100 * done / total:.0f} %{rest}"]


def _print_sites(clients: list[dict[str, Any]]) -> None:
    rows = [
        [row["client"], row["zone"], show_intensity(row["intensity"]), row["state"], row["why"]]
        for row in clients[:_MOST_SITES]
    ]
    print_table(["client", "zone", "intensity", "state", "why"], rows)
    if len(clients) > _MOST_SITES:
        echo(f"and {len(clients) - _MOST_SITES} more: fairwind clients")
