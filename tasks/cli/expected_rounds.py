"""The expected rounds of a run, as a table: when, with which clients, their emissions, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from common.command_line.screen import echo
from common.command_line.table import print_table
from common.units import show_mass
from scheduler.carbon.signal import slot_start
from scheduler.federation.federation import Run
from scheduler.rounds.forecast import MOST, ExpectedRound, why

_SHOWN = 12


def rounds_in(planned: Sequence[ExpectedRound], hour: datetime) -> int:
    """Return how many rounds are expected to begin in the hour that begins then."""
    return sum(each.waiting is None and slot_start(each.start) == hour for each in planned)


def print_expected_rounds(planned: Sequence[ExpectedRound], run: Run) -> None:
    """Print the expected rounds of a run, and what they would emit together."""
    if not planned:
        echo(f"No further round of {run.id} is expected.")
        return
    echo()
    print_table(
        ["round", "when, UTC", "clients", "expected", "run now", "why"],
        [_row(each, run) for each in planned[:_SHOWN]],
    )
    if len(planned) > _SHOWN:
        echo(f"and {len(planned) - _SHOWN} more lines; --json prints them all")
    if len(planned) >= MOST:
        echo(f"Nothing is planned beyond {planned[-1].end:%a %H:%M}: these are enough.")
    echo(_summary([each for each in planned if each.waiting is None], run))


def _row(each: ExpectedRound, run: Run) -> list[str]:
    same_day = each.start.date() == each.end.date()
    when = f"{each.start:%a %H:%M}-{each.end:{'%H:%M' if same_day else '%a %H:%M'}}"
    clients = ", ".join(f"{count} in {zone}" for zone, count in sorted(each.zones.items()))
    if each.waiting:
        return [str(each.number), when, "-", "-", "-", why(each, run)]
    return [
        str(each.number), when, clients or "-", _mass(each.gco2eq), _mass(each.run_now_gco2eq),
        why(each, run),
    ]  # fmt: skip


def _summary(held: Sequence[ExpectedRound], run: Run) -> str:
    if not held:
        return f"No round of {run.id} is expected in these hours."
    count = f"{len(held)} round{'' if len(held) == 1 else 's'} of {run.id} expected"
    known = [(a.gco2eq, a.run_now_gco2eq) for a in held]
    pairs = [(with_, now) for with_, now in known if with_ is not None and now is not None]
    if not pairs:
        return f"{count}; their emissions are not known yet."
    planned, at_once = sum(a for a, _ in pairs), sum(b for _, b in pairs)
    return f"{count}: {show_mass(planned)}; run now would emit {show_mass(at_once)}."


def _mass(gco2eq: float | None) -> str:
    return "unknown" if gco2eq is None else show_mass(gco2eq)
