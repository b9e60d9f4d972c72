"""The energy of processors from RAPL, the counters that Intel and AMD processors keep.

The counters cover whole packages, with all their processes. A task is charged the share of its CPU
seconds in the busy CPU seconds of the host, and with it that share of what the packages draw while
idle. Linux shows them as files: https://www.kernel.org/doc/html/latest/power/powercap/powercap.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from common.messages import EnergyPart
from models.energy.energy_source import SECONDS_PER_HOUR, Span, Unreadable
from models.energy.poller import Poller

_UJ_PER_J = 1e6

_POLL_S = 60.0
"""Counters wrap after 262 kJ or less, a quarter of an hour at 290 W: often enough, and cheap."""

_MIRRORED_UJ = 1_000_000
"""Two packages whose counters since boot are within 1 J are one counter shown twice, as on some
AMD processors of several dies. What one processor adds between two reads is far less."""

_USED_S = 0.1
"""A task that used this many CPU seconds has moved any counter that counts; it ticks every 1 ms."""


@dataclass
class Counter:
    """One counter: where it is, where it wraps, and what it has counted since the start."""

    path: Path
    range_uj: int
    is_memory: bool
    last_uj: int = 0
    counted_uj: int = 0

    def begin(self) -> None:
        """Count from here."""
        self.last_uj, self.counted_uj = _number(self.path), 0

    def advance(self) -> None:
        """Add what was used since the last look, across at most one wrap."""
        now_uj = _number(self.path)
        used_uj = now_uj - self.last_uj
        self.counted_uj += used_uj if used_uj >= 0 else used_uj + self.range_uj
        self.last_uj = now_uj


def host_busy_s() -> float:
    """Return the CPU seconds that all processes of this host have used since it started."""
    times = psutil.cpu_times()
    names = ("user", "nice", "system", "irq", "softirq")  # guests are in user, stolen time is not
    return sum(getattr(times, name, 0.0) for name in names)


class Rapl:
    """Reads package counters, and those of memory where it has its own."""

    name = "rapl"

    def __init__(
        self, counters: list[Counter], host_busy_s: Callable[[], float] = host_busy_s
    ) -> None:
        """Take the counters found.

        Args:
            counters: From `find_counters`; at least one.
            host_busy_s: Returns CPU seconds used by all processes of the host.
        """
        self._counters = counters
        self._host_busy_s = host_busy_s
        self._busy_s = 0.0
        self._poller = Poller(self._advance, _POLL_S)

    def start(self) -> None:
        """Read the counters, and watch them for wraps from now on."""
        for counter in self._counters:
            counter.begin()
        self._busy_s = self._host_busy_s()
        self._poller.start()

    def stop(self, span: Span) -> tuple[EnergyPart, ...]:
        """Return the task's share of what the counters counted.

        Raises:
            OSError, ValueError: If a counter can no longer be read.
            Unreadable: If the counters stood still while the task worked.
        """
        self._poller.stop()
        self._advance()
        busy_s = max(self._host_busy_s() - self._busy_s, span.cpu_s)
        if span.cpu_s >= _USED_S and not any(counter.counted_uj for counter in self._counters):
            msg = "RAPL's counters stand still, as some virtual machines show them"
            raise Unreadable(msg)
        share = span.cpu_s / busy_s if busy_s else 0.0
        packages = [self._part(share, is_memory=False)]
        if any(counter.is_memory for counter in self._counters):
            packages.append(self._part(share, is_memory=True))
        return tuple(packages)

    def _advance(self) -> None:
        for counter in self._counters:
            counter.advance()

    def _part(self, share: float, *, is_memory: bool) -> EnergyPart:
        counted_uj = sum(c.counted_uj for c in self._counters if c.is_memory == is_memory)
        return EnergyPart(
            device="memory" if is_memory else "cpu",
            energy_wh=counted_uj / _UJ_PER_J / SECONDS_PER_HOUR * share,
            method="rapl-dram" if is_memory else "rapl",
            quality="shared",
        )


def find_counters(folder: Path) -> list[Counter]:
    """Return the counters of all packages, and of their memory; none if there is no RAPL here.

    Left out are psys (the whole platform, packages included), the mmio copy of the packages, parts
    of packages such as core and uncore, and packages that mirror another.

    Args:
        folder: /sys/class/powercap, or where it or its intel-rapl folder is mounted.

    Raises:
        Unreadable: If there are counters, but not for this user.
    """
    zones = [*folder.glob("intel-rapl:*"), *folder.glob("intel-rapl/intel-rapl:*")]
    tops = {zone.name: zone for zone in sorted(zones) if zone.name.count(":") == 1}
    try:
        packages = [zone for zone in tops.values() if _text(zone / "name").startswith("package")]
        return [counter for zone in _distinct(packages) for counter in _counters(zone)]
    except PermissionError as error:
        msg = (
            f"RAPL is there, but {error.filename} is for root alone, so processors are modelled "
            "instead of measured. Let the worker's group read the energy_uj files (docs/energy.md "
            "shows a udev rule), or set FAIRWIND_METER=cpu."
        )
        raise Unreadable(msg) from error
    except (OSError, ValueError) as error:
        msg = (
            f"RAPL in {folder} cannot be understood ({error}), so processors are modelled instead "
            "of measured. Check FAIRWIND_RAPL_PATH, or set FAIRWIND_METER=cpu."
        )
        raise Unreadable(msg) from error


def _distinct(packages: list[Path]) -> Iterator[Path]:
    seen_uj: list[int] = []
    for package in packages:
        now_uj = _number(package / "energy_uj")
        if all(abs(now_uj - other_uj) > _MIRRORED_UJ for other_uj in seen_uj):
            seen_uj.append(now_uj)
            yield package


def _counters(package: Path) -> Iterator[Counter]:
    yield _counter(package, is_memory=False)
    for zone in sorted(package.glob(f"{package.name}:*")):
        if _text(zone / "name") == "dram":
            yield _counter(zone, is_memory=True)


def _counter(zone: Path, *, is_memory: bool) -> Counter:
    counter = Counter(zone / "energy_uj", _number(zone / "max_energy_range_uj"), is_memory)
    counter.begin()
    return counter


def _number(path: Path) -> int:
    return int(path.read_text())


def _text(path: Path) -> str:
    return path.read_text().strip()
