"""Long ledgers: what folding, `fairwind status` and a snapshot cost as a ledger grows."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from benchmarks.long_ledger import LongLedger
from common.clock import GridClock
from common.units import show_bytes
from scheduler.federation.opening import FEDERATION, open_ledger, read_ledger
from scheduler.ledger.database import snapshots_folder
from scheduler.ledger.snapshots import Snapshots

SIZES = (10_000, 100_000)
MILLION = 1_000_000

_TARGET_S = 1.0
_TARGET_BYTES = 150_000_000
_TRIES = 3

_COST = """
import atexit, sys, time
def say():
    with open("/proc/self/status") as file:
        peak = next(line.split()[1] for line in file if line.startswith("VmHWM"))
    print("cost", time.process_time() - begun, int(peak) * 1024, file=sys.stderr)
begun = 0.0
atexit.register(say)
"""

_STATUS = f"""{_COST}
sys.argv = ["fairwind", "status"]
from tasks.cli import main
main()
"""

_FOLD = f"""{_COST}
from scheduler.federation.opening import read_ledger
ledger = read_ledger(sys.argv[1])
begun = time.process_time()
ledger.state()
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took: seconds of one core, whatever else runs, and its peak memory."""

    seconds: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What one length of ledger costs, memory and `status` beyond those of an empty ledger."""

    events: int
    file_bytes: int
    fold: Cost
    status: Cost
    snapshot_bytes: int
    parts_bytes: int
    write_s: float


def measure_ledger(*, million: bool = False) -> None:
    """Print what ledgers of 10,000 and 100,000 events cost, and one of 1,000,000 if wanted."""
    sizes = (*SIZES, MILLION) if million else SIZES
    print(f"\nledger: up to {sizes[-1]:,} events ...", flush=True)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    # In memory where that is possible: making the ledger would wait for the disk at each event.
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        idle = _idle(Path(folder) / "empty.sqlite")
        before: Figures | None = None
        path = Path(folder) / "ledger.sqlite"
        ledger = open_ledger(_url(path), GridClock())
        long = LongLedger(ledger)
        for events in sizes:
            begun = time.perf_counter()
            long.grow(events)
            made_s = time.perf_counter() - begun
            figures = _measure(path, idle)
            _print(figures, before, made_s)
            before = figures
        ledger.close()


def _idle(path: Path) -> tuple[Cost, Cost]:
    """Return what folding and `status` take where there is next to nothing."""
    ledger = open_ledger(_url(path), GridClock())
    LongLedger(ledger)
    ledger.close()
    return _fold(path), _status(path)


def _measure(path: Path, idle: tuple[Cost, Cost]) -> Figures:
    folder = snapshots_folder(_url(path))
    status = _status(path)
    hidden = folder.with_name("hidden")
    folder.rename(hidden)
    fold = _fold(path)
    hidden.rename(folder)
    reader = read_ledger(_url(path))
    state = reader.state()
    with tempfile.TemporaryDirectory(dir=path.parent) as other:
        begun = time.process_time()
        Snapshots(Path(other), FEDERATION).write(state)
        write_s = time.process_time() - begun
    reader.close()
    return Figures(
        events=state.seq,
        file_bytes=path.stat().st_size,
        fold=_beyond(fold, Cost(0.0, idle[0].memory_bytes)),
        status=_beyond(status, idle[1]),
        snapshot_bytes=max(folder.glob("*.snapshot")).stat().st_size,
        parts_bytes=sum(part.stat().st_size for part in folder.glob("parts/*/*")),
        write_s=write_s,
    )


def _status(path: Path) -> Cost:
    env = {**os.environ, "FAIRWIND_LEDGER_URL": _url(path), "FAIRWIND_HOME": str(path.parent)}
    tries = [_run(_STATUS, env=env) for _ in range(_TRIES)]
    return Cost(min(t.seconds for t in tries), min(t.memory_bytes for t in tries))


def _fold(path: Path) -> Cost:
    return _run(_FOLD, _url(path), env=dict(os.environ))


def _run(script: str, *args: str, env: dict[str, str]) -> Cost:
    """Run a script that says what it took."""
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", script, *args], env=env, capture_output=True, text=True, check=True
    )
    said = next(line for line in done.stderr.splitlines() if line.startswith("cost"))
    _, seconds, memory_bytes = said.split()
    return Cost(float(seconds), int(memory_bytes))


def _beyond(cost: Cost, idle: Cost) -> Cost:
    return Cost(cost.seconds - idle.seconds, cost.memory_bytes - idle.memory_bytes)


def _print(now: Figures, before: Figures | None, made_s: float) -> None:
    ratio = partial(_ratio, now, before)
    met = now.status.seconds <= _TARGET_S and now.status.memory_bytes <= _TARGET_BYTES
    print(f"\n  {now.events:,} events, {show_bytes(now.file_bytes)}, made in {made_s:.0f} s")
    fold, status = now.fold, now.status
    print(f"    fold from nothing {fold.seconds:8.2f} s, {show_bytes(fold.memory_bytes)}"
          f"{ratio(lambda f: f.fold.seconds)}")  # fmt: skip
    print(f"    fairwind status   {status.seconds:8.2f} s, {show_bytes(status.memory_bytes)} "
          f"beyond an empty ledger's{ratio(lambda f: f.status.seconds)}")  # fmt: skip
    print(f"      aimed at        {_TARGET_S:8.2f} s, {show_bytes(_TARGET_BYTES)}: "
          f"{'met' if met else 'missed'}")  # fmt: skip
    print(f"    snapshot          {now.write_s:8.2f} s to write {show_bytes(now.snapshot_bytes)}"
          f"{ratio(lambda f: f.snapshot_bytes)}; the archive has {show_bytes(now.parts_bytes)}",
          flush=True)  # fmt: skip


def _ratio(now: Figures, before: Figures | None, figure: Callable[[Figures], float]) -> str:
    if before is None or figure(before) <= 0:
        return ""
    return f", {figure(now) / figure(before):.1f} times for {now.events / before.events:.1f} times"


def _url(path: Path) -> str:
    return f"sqlite:///{path}"
