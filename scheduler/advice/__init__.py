"""Advice for each site: what it could do to emit less, with grams, and how that was worked out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from scheduler.accounting.booking import Booking
from scheduler.advice.card import Advice, CardLine
from scheduler.advice.chance import Chances, Shift, look_back, would_have
from scheduler.advice.change import Facts, SiteChange, find_changes
from scheduler.advice.clean_hours import (
    DayWindow,
    Outlook,
    Week,
    cleanest_window,
    look_ahead,
    typical_week,
)
from scheduler.advice.gather import SEEN_ROUNDS, Case, RecentWork, gather
from scheduler.advice.place import find_places
from scheduler.advice.practice import Practice, practices

_NOT_YET = (
    "What its updates cost, and what it could save: it has no counted update in the last five "
    "weeks of work whose energy and grid are known."
)


def make_advice(case: Case) -> Advice:
    """Return the advice for one client: a pure function of its case."""
    client, record = case.client, case.record
    known = practices(_same_runs(case), record.until)
    own = known.get(client.id)
    chances = look_back(client.id, record.rounds)
    lines: tuple[CardLine, ...] = ()
    missing: tuple[str, ...] = (_NOT_YET,)
    if own is not None:
        window = cleanest_window(case.past)
        changes, missing = find_changes(Facts(client.id, known, window, _outcomes(case)))
        lines = tuple(_line(case, change, window, own, chances) for change in changes)
    outlook = look_ahead(case.ahead, record.now)
    week = typical_week(case.past)
    return Advice(
        client=client.id,
        zone=client.zone,
        at=record.now,
        worked_until=record.until,
        practice=own,
        outlook=outlook,
        week=week,
        places=find_places(client.id, known),
        chances=chances,
        left_out=case.left_out,
        lines=lines,
        missing=(*_unknown_grid(outlook, week), *missing),
    )


def _same_runs(case: Case) -> list[Booking]:
    """Return the work of all clients in the runs that the client took part in."""
    runs = {b.run for b in case.record.bookings if b.client == case.client.id}
    return [b for b in case.record.bookings if b.run in runs]


def _outcomes(case: Case) -> Counter[str]:
    mine = (b for b in case.record.bookings if b.client == case.client.id)
    return Counter(b.outcome for b in mine if b.outcome != "counted" and b.settled_gco2eq)


def _line(
    case: Case, change: SiteChange, window: DayWindow | None, own: Practice, now: Chances | None
) -> CardLine:
    shift = Shift(window, case.past, case.rule) if change.name == "hours" and window else None
    after = replace(now, drawn=None) if now else None
    if change.effects or shift:
        rounds = case.record.rounds
        after = would_have(case.client.id, rounds, effects=change.effects, shift=shift)
    return CardLine(change, change.saves_gco2eq * own.per_month, after)


def _unknown_grid(outlook: Outlook | None, week: Week | None) -> list[str]:
    missing = []
    if outlook is None:
        missing.append("The next 24 hours: no source forecasts its grid; see `fairwind signal`.")
    if week is None:
        missing.append("The typical week: not every hour of the week has been read yet.")
    return missing


__all__ = ["SEEN_ROUNDS", "Advice", "Case", "RecentWork", "gather", "make_advice"]
