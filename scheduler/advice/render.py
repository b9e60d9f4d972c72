"""The card as a person reads it: on a terminal, as Markdown, and as a summary for a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from common.units import show_energy, show_intensity, show_mass, show_share
from scheduler.advice.card import Advice, Line
from scheduler.advice.chance import Chances
from scheduler.advice.hours import Hour, Outlook
from scheduler.advice.practice import Practice

SHOWN_LINES = 4
_SHOWN_MISSING = 4
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

Section = tuple[str, list[str]]


def card(advice: Advice) -> str:
    """Return the card as plain text, at most about 40 lines."""
    blocks = [_headline(advice), f"{_now(advice)}\n"]
    for title, rows in _sections(advice):
        blocks += [title, *(f"  {row}" for row in rows), ""]
    return "\n".join(blocks).rstrip() + "\n"


def markdown(advice: Advice) -> str:
    """Return the card as Markdown."""
    blocks = [f"# {_headline(advice)}", "", _now(advice), ""]
    for title, rows in _sections(advice):
        blocks += [f"## {title}", ""]
        # What stands indented on the terminal belongs to the item above it.
        blocks += [f"{row}  " if row.startswith("  ") else f"- {row}  " for row in rows]
        blocks.append("")
    return "\n".join(blocks).rstrip() + "\n"


def summary(advice: Advice) -> dict[str, Any]:
    """Return what a page shows of it: the best hours and the three lines that save most."""
    hours = advice.outlook.best if advice.outlook else ()
    return {
        "client": advice.client,
        "at": advice.at.timestamp(),
        "hours": [
            {"start": hour.start.timestamp(), "gco2eq_per_kwh": hour.gco2eq_per_kwh}
            for hour in hours
        ],
        "lines": [
            {
                "text": line.change.text,
                "saves": f"{show_mass(line.change.saves_gco2eq)} an update, "
                f"{show_mass(line.saves_gco2eq_per_month)} a month (estimated)",
                "saves_gco2eq": line.change.saves_gco2eq,
                "saves_gco2eq_per_month": line.saves_gco2eq_per_month,
                "computed": line.change.computed,
                "source": line.change.source,
            }
            for line in advice.lines[:3]
        ],
        "missing": list(advice.missing),
    }


def _headline(advice: Advice) -> str:
    return f"Advice for {advice.client} in {advice.zone}, {advice.at:%a %d %b %Y %H:%M} UTC"


def _now(advice: Advice) -> str:
    own = advice.practice
    if own is None:
        return "It has not trained for us yet, as far as its figures tell."
    return (
        f"One update takes {show_energy(own.energy_wh)} and emits {show_mass(own.gco2eq)}: the "
        f"mean of {own.updates}, about {own.per_month:,.0f} a month."
    )


def _sections(advice: Advice) -> Iterator[Section]:
    yield "Best hours", list(_hours(advice))
    if advice.places:
        yield "Its place in the federation (1 is best)", list(_places(advice))
    if advice.chances:
        yield "How often it was chosen", [_chosen(advice.chances)]
    if advice.lines:
        title = "What it could change (estimated; savings overlap, so do not add them up)"
        yield title, [row for line in advice.lines[:SHOWN_LINES] for row in _change(line)]
    if advice.missing:
        yield "What cannot be said", list(advice.missing[:_SHOWN_MISSING])


def _hours(advice: Advice) -> Iterator[str]:
    outlook, week = advice.outlook, advice.week
    if outlook is not None:
        yield (
            f"Now {show_intensity(outlook.now_gco2eq_per_kwh)}; mean of the next 24 hours "
            f"{show_intensity(outlook.mean_gco2eq_per_kwh)} ({outlook.source})."
        )
        if not outlook.best:
            yield "No hour of these is cleaner than the others."
        for hour in outlook.best:
            yield _hour(hour, outlook, advice.practice)
    if week is not None and not week.flat:
        (best, low), (worst, high) = week.window(best=True), week.window(best=False)
        yield (
            f"Typical week: best {_at(best)} ({show_intensity(low)}), worst {_at(worst)} "
            f"({show_intensity(high)}), {week.days} days read."
        )


def _hour(hour: Hour, outlook: Outlook, own: Practice | None) -> str:
    here = hour.gco2eq_per_kwh
    row = f"{hour.start:%a %H:%M} UTC, {hour.quality}: {show_intensity(here)}"
    if own is not None:
        row += f", {show_mass(own.energy_wh * here / 1000)} an update"
    return (
        f"{row}; {_against(here, outlook.now_gco2eq_per_kwh)} than now, "
        f"{_against(here, outlook.mean_gco2eq_per_kwh)} than the mean"
    )


def _against(value: float, other: float) -> str:
    if other == 0:
        return "no less"
    share = value / other - 1
    return f"{show_share(abs(share))} {'less' if share <= 0 else 'more'}"


def _at(hour_of_week: int) -> str:
    begin, end = hour_of_week % 24, (hour_of_week + 3) % 24
    return f"{_DAYS[hour_of_week // 24]} {begin:02}:00-{end:02}:00 UTC"


def _places(advice: Advice) -> Iterator[str]:
    for place in advice.places:
        yield (
            f"{place.cause + ':':24} {place.shown}, {place.rank} of {place.of}; its peers' median "
            f"is {place.shown_median}"
        )


def _chosen(chances: Chances) -> str:
    drawn = f"{chances.drawn} of {chances.rounds} rounds invited it"
    return (
        f"{drawn}; its gate was open in {chances.open}, its score among the best in "
        f"{chances.within}."
    )


def _change(line: Line) -> Iterator[str]:
    change = line.change
    span = f"{show_mass(change.low_gco2eq)} to {show_mass(change.high_gco2eq)}"
    yield change.text
    yield (
        f"  saves {show_mass(change.saves_gco2eq)} an update ({span}), "
        f"{show_mass(line.saves_gco2eq_per_month)} a month{_then(line.chances)}"
    )
    yield f"  = {change.computed}"
    yield f"  by {change.source}"


def _then(chances: Chances | None) -> str:
    if chances is None:
        return ""
    return f"; then among the best in {chances.within} of {chances.rounds} rounds"
