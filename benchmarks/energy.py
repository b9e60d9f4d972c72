"""What measuring costs: opening and closing the meter of a site, as this machine offers it."""

from __future__ import annotations

import statistics
import time

from common.extras import how_to_install
from common.settings import load
from models.energy.crosscheck import cross_check
from models.energy.meter import Meter
from models.energy.source_choice import choose_sources

_TARGET_S = 1e-3


def measure_meter() -> None:
    """Print the median and the slowest of many starts and stops, and how codecarbon compares."""
    print("energy meter: 500 tasks ...", flush=True)
    begun_s = time.perf_counter()
    choice = choose_sources(load())
    chosen_s = time.perf_counter() - begun_s
    meter = Meter(choice.sources, load())
    taken_s = sorted(_start_and_stop_s(meter) for _ in range(500))
    verdict = "met" if taken_s[-1] <= _TARGET_S else "missed by the slowest"
    print(f"\nenergy meter, {choice.names}")
    print(f"  look for meters     {chosen_s * 1000:8.3f} ms   once per process")
    print(f"  start and stop      {statistics.median(taken_s) * 1000:8.3f} ms   median")
    print(f"  the slowest         {taken_s[-1] * 1000:8.3f} ms   aimed at 1 ms: {verdict}")
    print(f"  against codecarbon  {_against_codecarbon()}", flush=True)


def _start_and_stop_s(meter: Meter) -> float:
    begun_s = time.perf_counter()
    meter.start()
    meter.stop()
    return time.perf_counter() - begun_s


def _against_codecarbon() -> str:
    try:
        found = cross_check(seconds=10.0, watts_per_core=load().watts_per_core)
    except ImportError:
        return f"not compared: install codecarbon, {how_to_install('codecarbon')}"
    return f"{found.difference:+.1%} for one busy core, {found.ours_j:.1f} J by our count"
