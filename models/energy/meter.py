"""What a task used, found by the best source that answers, device by device."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, get_args

from common.log import get_logger
from common.messages import Energy, EnergyPart, EnergyQuality
from common.settings import Settings
from models.energy.embodied import embodied_gco2eq
from models.energy.energy_source import EnergySource, Span
from models.energy.gpu_in_use import gpu_in_use
from models.energy.idle import idle_energy_wh
from models.energy.processes import cpu_seconds

_log = get_logger(__name__)

_SUREST_FIRST: tuple[EnergyQuality, ...] = get_args(EnergyQuality)


class Meter:
    """Measures one task after the other, and the waiting between them.

    Opened and closed by ``with``. It never raises: a source that fails, at the start or in the
    middle, is replaced for the whole task by the next one for its device, and the method names it.

    Attributes:
        energy: What the last task used; set when it ends, by an exception too. `None` before, and
            if nothing could be measured.
    """

    def __init__(
        self,
        sources: Sequence[EnergySource],
        site: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        gpu_in_use: Callable[[], bool] = gpu_in_use,
    ) -> None:
        """Prepare a meter; the site's waiting begins.

        Args:
            sources: Best first; of several that answer for a device, the first counts.
            site: Its PUE, the power of its idle hardware and its embodied emissions.
            clock: Monotonic seconds.
            gpu_in_use: Returns whether this process computes on a GPU.
        """
        self.energy: Energy | None = None
        self._sources = sources
        self._site = site
        self._clock = clock
        self._gpu_in_use = gpu_in_use
        self._open = False
        self._running: list[EnergySource] = []
        self._failed: list[str] = []
        self._logged: set[str] = set()
        self._cpu_s = 0.0
        self._idle_s = 0.0
        self._begun_s = self._ended_s = clock()

    def __enter__(self) -> Self:
        """Start to measure."""
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop, and set `energy`."""
        self.stop()

    def start(self) -> None:
        """Start to measure; what was open before is closed."""
        self.stop()
        self.energy, self._failed = None, []
        try:
            self._begun_s, self._cpu_s = self._clock(), cpu_seconds()
            self._idle_s = self._begun_s - self._ended_s
            self._running = [source for source in self._sources if self._started(source)]
            self._open = True
        except Exception:  # noqa: BLE001 - whatever a meter does, training goes on
            _log.exception("meter.failed", energy="unknown")

    def stop(self) -> Energy | None:
        """Stop and return `energy`; once more, and it is returned again."""
        if self._open:
            self._open = False
            try:
                self.energy = self._measured()
            except Exception:  # noqa: BLE001 - the same
                _log.exception("meter.failed", energy="unknown")
        return self.energy

    def _measured(self) -> Energy:
        self._ended_s = self._clock()
        span = Span(
            wall_s=self._ended_s - self._begun_s, cpu_s=max(0.0, cpu_seconds() - self._cpu_s)
        )
        parts: dict[str, EnergyPart] = {}
        for source in self._running:
            for part in self._stopped(source, span):
                parts.setdefault(part.device, part)
        site = self._site
        return Energy(
            energy_wh=sum(part.energy_wh for part in parts.values()) * site.pue,
            method=self._method(parts),
            quality=max((part.quality for part in parts.values()), key=_SUREST_FIRST.index),
            pue=site.pue,
            parts=tuple(parts.values()),
            idle_s=self._idle_s,
            idle_wh=idle_energy_wh(site.idle_w, self._idle_s, pue=site.pue),
            embodied_gco2eq=None
            if site.embodied_kgco2eq is None
            else embodied_gco2eq(
                span.wall_s, embodied_kgco2eq=site.embodied_kgco2eq,
                lifetime_h=site.embodied_lifetime_h, share=site.embodied_share,
            ),
        )  # fmt: skip

    def _method(self, parts: dict[str, EnergyPart]) -> str:
        notes = [f"{name} failed" for name in self._failed]
        if not parts.keys() & {"gpu", "site"} and self._gpu_in_use():
            notes.append("gpu unread")
        joined = "+".join(part.method for part in parts.values())
        return f"{joined} ({', '.join(notes)})" if notes else joined

    def _started(self, source: EnergySource) -> bool:
        try:
            source.start()
        except Exception as error:  # noqa: BLE001 - the same
            self._note(source, error)
            return False
        return True

    def _stopped(self, source: EnergySource, span: Span) -> tuple[EnergyPart, ...]:
        try:
            return source.stop(span)
        except Exception as error:  # noqa: BLE001 - the same
            self._note(source, error)
            return ()

    def _note(self, source: EnergySource, error: Exception) -> None:
        self._failed.append(source.name)
        if (
            source.name not in self._logged
        ):  # every task has it in its method; the log needs it once
            self._logged.add(source.name)
            reason = f"{type(error).__name__}: {error}"
            _log.warning("meter.fell_back", source=source.name, reason=reason)
