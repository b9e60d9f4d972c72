"""CPU seconds a minute of a federation that waits for clean power: nothing may poll in vain."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psutil

from tasks.local.federation import LocalFederation
from tasks.local.ports import free_port

_SITES = {"lyon": "FR", "oslo": "NO-NO1", "berlin": "DE"}
_TARGET_S = 0.5
_SETTLES_S = 20.0
"""So long what happens once at the start goes on: first ticks, imports, the run's first version."""

_MEASURED_S = 60.0


def measure_idle() -> None:
    """Print the CPU seconds a minute of each process of three sites whose gates are shut."""
    print(f"\nidle: {len(_SITES)} sites wait, no page is open ...", flush=True)
    shut = {"FAIRWIND_THRESHOLD_GCO2EQ_PER_KWH": "0", "FAIRWIND_CEILING_GCO2EQ_PER_KWH": "0"}
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalFederation(Path(folder), _SITES, settings=shut) as federation,
    ):
        _start(federation)
        before = _cpu_s()
        time.sleep(_MEASURED_S)
        spent = {name: now_s - before.get(name, 0.0) for name, now_s in _cpu_s().items()}
    total_s = sum(spent.values()) * 60 / _MEASURED_S
    for name, cpu_s in sorted(spent.items()):
        print(f"  {name:<24}{cpu_s * 60 / _MEASURED_S:8.2f} s a minute")
    met = "met" if total_s <= _TARGET_S else "missed"
    print(f"  {'all':<24}{total_s:8.2f} s a minute   aimed at {_TARGET_S} s: {met}", flush=True)


def _start(federation: LocalFederation) -> None:
    for client, zone in _SITES.items():
        federation.fairwind("enroll", client, "--zone", zone, "--key", federation.site_key(client))
    federation.start_coordinator()
    federation.start_beat()
    federation.start_flower(free_port())
    for client in _SITES:
        federation.start_site(client)
    federation.wait_for(lambda: "3 of 3" in federation.fairwind("check").stdout, 120.0, "the sites")
    federation.fairwind("run", "start", "digits", "--rounds", "3")
    time.sleep(_SETTLES_S)


def _cpu_s() -> dict[str, float]:
    """Return the CPU seconds so far of what this process started, by role; children included."""
    spent: dict[str, float] = defaultdict(float)
    for process in psutil.Process().children(recursive=True):
        times = process.cpu_times()
        spent[_role(process)] += times.user + times.system
    return dict(spent)


def _role(process: psutil.Process) -> str:
    words = process.cmdline()
    for word in ("beat", "flower"):
        if word in words:
            return word
    if "-Q" in words:
        queues = words[words.index("-Q") + 1]
        return "coordinator" if "coordinator" in queues else queues
    return "redis and the guard"
