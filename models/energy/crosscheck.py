"""Compares our model of processors with codecarbon's: `python -m models.energy.crosscheck`.

Both watch the same work in this process and its children, at the same W per core. codecarbon is an
extra, for this comparison alone. https://github.com/mlco2/codecarbon
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from typing import Any

import click

from common.command_line.screen import echo
from common.extras import how_to_install
from common.settings import load
from models.energy.cpu import Cpu
from models.energy.energy_source import Span
from models.energy.processes import cpu_seconds

_JOULE_PER_WH = 3600.0
_JOULE_PER_KWH = 3.6e6

_BLOCK = bytes(1 << 20)
"""Hashing it keeps a core busy, but not Python's lock, which codecarbon's thread needs."""


@dataclass(frozen=True)
class CrossCheck:
    """What two ways to count found for the same work."""

    ours_j: float
    codecarbon_j: float

    @property
    def difference(self) -> float:
        """How much more codecarbon found, as a share of ours."""
        return self.codecarbon_j / self.ours_j - 1


def cross_check(seconds: float, watts_per_core: float) -> CrossCheck:
    """Keep one core busy, and count its energy in both ways.

    Args:
        seconds: For how long, wall clock; codecarbon looks once a second.
        watts_per_core: W of a busy core, for both.

    Raises:
        ImportError: If codecarbon is not installed.
    """
    tracker = _tracker(watts_per_core)
    tracker.start()  # takes seconds in a new process, so it comes before ours
    begun_s, before_s = time.monotonic(), cpu_seconds()
    while time.monotonic() - begun_s < seconds:
        hashlib.sha256(_BLOCK)
    span = Span(wall_s=time.monotonic() - begun_s, cpu_s=cpu_seconds() - before_s)
    tracker.stop()
    (ours,) = Cpu(watts_per_core).stop(span)
    theirs_kwh = float(tracker.final_emissions_data.cpu_energy)
    return CrossCheck(ours.energy_wh * _JOULE_PER_WH, theirs_kwh * _JOULE_PER_KWH)


def _tracker(watts_per_core: float) -> Any:
    from codecarbon import OfflineEmissionsTracker  # noqa: PLC0415 - an extra, heavy to load

    return OfflineEmissionsTracker(
        country_iso_code="FRA",  # grams are not compared
        tracking_mode="process",
        force_mode_cpu_load=True,
        force_cpu_power=watts_per_core * (os.cpu_count() or 1),
        force_ram_power=0,
        measure_power_secs=1,
        output_methods=[],
        allow_multiple_runs=True,  # or it would take over signals
        log_level="critical",
    )


@click.command()
@click.option("--seconds", default=10.0, show_default=True, help="how long to keep a core busy")
def main(seconds: float) -> None:
    """Compare our count of processor energy with codecarbon's."""
    try:
        found = cross_check(seconds, load().watts_per_core)
    except ImportError:
        remedy = f"Nothing to compare with. Install codecarbon, {how_to_install('codecarbon')}"
        raise click.ClickException(remedy) from None
    echo(
        f"ours {found.ours_j:.2f} J, codecarbon {found.codecarbon_j:.2f} J "
        f"({found.difference:+.1%}), one busy core for {seconds:g} s"
    )


if __name__ == "__main__":
    main()
