"""The truth that a scenario names, from whichever signal."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from scheduler.carbon.signal import Signal, unknown_zone
from scheduler.carbon.signals.static import Static
from scheduler.carbon.signals.trace import Trace
from scheduler.carbon.signals.typical_day import TypicalDay
from simulation.grids.recorded import Actual
from simulation.grids.truth import Truth
from simulation.scenario.files import find_file
from simulation.scenario.scenario import Scenario


def make_truth(scenario: Scenario) -> Truth:
    """Return what the grids of a scenario do.

    Raises:
        SettingError: If a file is missing or malformed.
        SignalError: If a zone is not known.
    """
    signal = _signal(scenario)
    known = signal.zones()
    for zone in scenario.zones:
        if zone not in known:
            raise unknown_zone(signal.name, zone, known)
    return Truth(signal, scenario.zones)


def _signal(scenario: Scenario) -> Signal:
    part = scenario.signal
    if part.path is not None:
        path = find_file(part.path)
        return _trace(path) if part.kind == "trace" else Actual(path)
    if part.gco2eq_per_kwh is not None:
        flat = part.gco2eq_per_kwh
        return Static(flat if isinstance(flat, dict) else dict.fromkeys(scenario.zones, flat))
    return TypicalDay()


@cache
def _trace(path: Path) -> Trace:
    """Return a trace, read once in each process: a study replays the same one many times."""
    return Trace(path)
