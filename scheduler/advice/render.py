"""The card as a person reads it: on a terminal and as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from common.units import show_energy, show_intensity, show_mass, show_share
from scheduler.advice.card import Advice, CardLine
from scheduler.advice.chance import Chances
from scheduler.advice.clean_hours import SHOWN_HOURS, HourAhead, Outlook
from scheduler.advice.place import Place
from scheduler.advice.practice import Practice
from scheduler.carbon.week import DAY
from scheduler.federation.left_out import RARE, LeftOut

_WIDTH = 98
_SHOWN_LINES = 3
_SHOWN_MISSING = 3
"""A terminal shows so many; the file at the site and the figures have all."""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

Item = tuple[str, ...]
"""A sentence, and the details that belong to it."""


def card(advice: Advice) -> str:
    """Return the card as plain text, about 40 lines at most."""
    lines = [_headline(advice), *_folded(_now(advice), ""), ""]
    for title, items in _sections(advice, shown=_SHOWN_LINES, missing=_SHOWN_MISSING):
        lines.append(title)
        for first, *details in items:
            lines += _folded(first, "  ")
            lines += [row for detail in details for row in _folded(detail, "    ")]
        lines.append("")
    return "\n".join(lines)


def markdown(advice: Advice) -> str:
    """Return the whole card as Markdown."""
    lines = [f"# {_headline(advice)}", "", _now(advice), ""]
    every = len(advice.lines) + len(advice.missing)
    for title, items in _sections(advice, shown=every, missing=every):
        lines += [f"## {title}", ""]
        for first, *details in items:
            lines += [f"- {' '.join(first.split())}", *(f"  - {detail}" for detail in details)]
        lines.append("")
    return "\n".join(lines)


def _headline(advice: Advice) -> str:
    return f"Advice for {advice.client} in {advice.zone}, {advice.at:%a %d %b %Y %H:%M} UTC"


def _now(advice: Advice) -> str:
    own = advice.practice
    if own is None:
        return "No update of it has counted in the last five weeks of work."
    updates = f"{own.updates} update{'s' if own.updates > 1 else ''}"
    return (
        f"One update takes {show_energy(own.energy_wh)} and emits {show_mass(own.gco2eq)}: the "
        f"mean of {updates}{_when(advice)}; about {own.per_month:,.0f} updates a month."
    )


def _when(advice: Advice) -> str:
    """Return until when its work counts here, where that is some time ago."""
    if advice.at - advice.worked_until < DAY:
        return ""
    return f" in the five weeks up to {advice.worked_until:%d %b %Y}"


def _folded(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ",
        break_on_hyphens=False,
    )  # fmt: skip


def _sections(advice: Advice, *, shown: int, missing: int) -> Iterator[tuple[str, list[Item]]]:
    hours = [*_hours(advice)]
    if hours:
        yield "Best hours (UTC)", hours
    if advice.places:
        yield "Its place in the federation (1 emits least)", [*map(_place, advice.places)]
    if advice.chances:
        yield "How often it was chosen", [_chosen(advice.chances)]
    if advice.left_out:
        yield "Left out by the robust rule", [(_left_out(each),) for each in advice.left_out]
    if advice.lines:
        title = "What it could change (estimated; savings overlap, so do not add them up)"
        items = [_change(line, advice.chances) for line in advice.lines[:shown]]
        yield title, items + _more(len(advice.lines) - shown)
    if advice.missing:
        items = [(reason,) for reason in advice.missing[:missing]]
        yield "What is unknown", items + _more(len(advice.missing) - missing)


def _more(count: int) -> list[Item]:
    return [(f"and {count} more: --json shows all.",)] if count > 0 else []


def _hours(advice: Advice) -> Iterator[Item]:
    outlook, week = advice.outlook, advice.week
    if outlook is not None:
        current = show_intensity(outlook.now_gco2eq_per_kwh)
        mean = show_intensity(outlook.mean_gco2eq_per_kwh)
        yield (f"Now {current}; mean of the next 24 hours {mean} ({outlook.source}).",)
        for hour in outlook.best:
            yield (_hour(hour, outlook, advice.practice),)
        if not outlook.best:
            yield ("None of these hours is cleaner than the others.",)
    if week is not None and not week.flat:
        (best, low), (worst, high) = week.window(best=True), week.window(best=False)
        clean = f"{_at(best)} with {show_intensity(low)}"
        dirty = f"{_at(worst)} with {show_intensity(high)}"
        yield (f"Typical week: best {clean}, worst {dirty} ({week.days} days read).",)


def _hour(hour: HourAhead, outlook: Outlook, own: Practice | None) -> str:
    here = hour.gco2eq_per_kwh
    row = f"{hour.start:%a %H:%M}, {hour.quality}: {show_intensity(here)}"
    if own is not None:
        row += f", {show_mass(own.energy_wh * here / 1000)} an update"
    return (
        f"{row}; {_against(here, outlook.now_gco2eq_per_kwh, 'now')}, "
        f"{_against(here, outlook.mean_gco2eq_per_kwh, 'the mean')}"
    )


def _against(value: float, other: float, name: str) -> str:
    share = value / other - 1 if other else 0.0
    if round(share, 2) == 0:
        return f"as {name}"
    return f"{show_share(abs(share))} {'below' if share < 0 else 'above'} {name}"


def _at(hour_of_week: int) -> str:
    begin, end = hour_of_week % 24, (hour_of_week + SHOWN_HOURS) % 24
    return f"{_DAYS[hour_of_week // 24]} {begin:02}:00-{end:02}:00"


def _place(place: Place) -> Item:
    own = f"{place.cause}: {place.shown}, place {place.rank} of {place.of}"
    return (f"{own}; the median of its peers is {place.shown_median}",)


def _chosen(chances: Chances) -> Item:
    drawn = f"{chances.drawn} of {chances.rounds} rounds invited it"
    within = f"its score among the best then in {chances.within}"
    return (f"{drawn}. Its gate was open in {chances.open}, and {within}.",)


def _left_out(found: LeftOut) -> str:
    return (
        f"{found.run}: its updates kept less than half of their weight in each of its last "
        f"{found.rounds} rounds ({show_share(found.kept)} over all). {RARE} Check its data and its "
        "labels, and write to the operator if they are right."
    )


def _change(line: CardLine, before: Chances | None) -> Item:
    change = line.change
    low, best, high = map(show_mass, (change.low_gco2eq, change.saves_gco2eq, change.high_gco2eq))
    bounds = "" if low == high else f" ({low} to {high})"
    month = show_mass(line.saves_gco2eq_per_month)
    return (
        change.text,
        f"saves {best} an update{bounds}, {month} a month{_then(line.chances, before)}",
        f"worked out: {change.computed}",
        f"source: {change.source}",
    )


def _then(after: Chances | None, before: Chances | None) -> str:
    if after is None or before is None:
        return ""
    if after.within == before.within:
        return "; rank as before"
    return (
        f"; gate open and score among the best in {after.within} of {after.rounds} rounds instead "
        f"of {before.within}"
    )
