"""Prints a run as it happens, line by line, to a terminal or a log."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from common.clock import GridClock
from common.command_line.screen import Styled, echo
from common.units import show_mass
from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.federation import Federation, Run
from tasks.cli.figures import show_value

_WIDTH = 12


class RunPrinter:
    """Prints what changed since the last call: gates that opened or closed, and closed rounds."""

    def __init__(self, zones: Mapping[str, str], clock: GridClock, rounds: int) -> None:
        self._zones = zones
        self._clock = clock
        self._rounds = rounds
        self._gates: dict[str, bool] = {}
        self._printed = 0
        names = "".join(name.rjust(_WIDTH) for name in zones)
        echo(Styled(f"{'grid time':<11}{names}", bold=True))
        grids = "".join(name.rjust(_WIDTH) for name in _short(list(zones.values())))
        echo(f"{'':<11}{grids}   gCO2eq/kWh")

    def print_news(self, state: Federation, run: Run) -> None:
        """Print what is new in the state of the federation."""
        for closed in run.closed[self._printed :]:
            if closed.metrics is None:
                break
            self._printed = closed.number
            self._print_round(closed, run.spec.metric)
        gates = {c.id: bool(c.gate and c.gate.is_open) for c in state.clients.values()}
        if gates != self._gates and state.grid:
            self._gates = gates
            echo(f"{self._clock.now():%a %H:%M}  ", *self._gate_line(state))

    def _gate_line(self, state: Federation) -> list[Styled]:
        cells = []
        for name, zone in self._zones.items():
            opened = self._gates[name]
            reading = state.grid[zone].latest if zone in state.grid else None
            value = f"{reading.gco2eq_per_kwh:.0f}" if reading else "?"
            cell = f"{value} {'open' if opened else 'shut'}".rjust(_WIDTH)
            cells.append(Styled(cell, fg="green" if opened else "yellow"))
        return cells

    def _print_round(self, closed: ClosedRound, metric: str) -> None:
        value = show_value(metric, (closed.metrics or {}).get(metric))
        echo(
            f"{closed.ended:%a %H:%M}  Round {closed.number:>2}/{self._rounds}  {metric} {value:<7}"
            f" {show_mass(closed.gco2eq):>12}  trained at {', '.join(closed.cohort)}"
        )


def _short(zones: list[str]) -> list[str]:
    """Return zones as they fit into a column, without their country if it is the same."""
    countries = {zone.partition("-")[0] for zone in zones}
    common = f"{countries.pop()}-" if len(countries) == 1 else ""
    names = [zone.removeprefix(common) for zone in zones]
    return [name if len(name) < _WIDTH else f"{name[: _WIDTH - 2]}…" for name in names]


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Print what is waited for and, once it is ready, how long that took."""
    begun = time.monotonic()
    echo(f"{what} ... ", nl=False)
    yield
    echo(f"ready in {time.monotonic() - begun:.0f} s")


@contextmanager
def stops_aloud() -> Iterator[None]:
    """Say at once that Ctrl-C, or SIGTERM, was received: stopping takes some seconds."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        echo()
        echo("Stopping everything ... (Ctrl-C again: at once)")
        raise
