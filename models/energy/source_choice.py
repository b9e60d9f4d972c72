"""Which sources of energy figures this machine offers, and which of them a site uses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.settings import Settings
from models.energy.constant import Constant
from models.energy.cpu import Cpu
from models.energy.energy_source import EnergySource, Unreadable
from models.energy.memory import MemoryEnergy
from models.energy.nvml import Nvml, load_nvml
from models.energy.rapl import Rapl, find_counters


@dataclass(frozen=True)
class SourceChoice:
    """The sources a site uses, best first, and why it uses no better ones, for people."""

    sources: tuple[EnergySource, ...]
    problems: tuple[str, ...] = ()

    @property
    def names(self) -> str:
        """The sources as logs show them."""
        return "+".join(source.name for source in self.sources)


def choose_sources(
    site: Settings,
    *,
    environ: Mapping[str, str] = os.environ,
    nvml: Any | None = None,
) -> SourceChoice:
    """Return what this machine and the site's settings allow. The CPU model is always there.

    Args:
        site: Which meters it wants, and their constants.
        environ: The process's environment.
        nvml: In place of the module `pynvml`.
    """
    if site.meter == "constant" and site.constant_w:
        return SourceChoice((Constant(site.constant_w),))
    problems: list[str] = []
    sources: list[EnergySource] = []
    if site.meter == "constant":
        problems.append(
            "FAIRWIND_METER is constant, but no power is stated, so processors are modelled by "
            "their CPU seconds. Set FAIRWIND_CONSTANT_W."
        )
    if site.meter in ("auto", "rapl"):
        sources += _rapl(site, problems)
    sources.append(Cpu(site.watts_per_core))
    if site.gpu_meter == "auto":
        sources += _nvml(environ, nvml, problems)
    if site.memory_w_per_gb:
        sources.append(MemoryEnergy(site.memory_w_per_gb))
    return SourceChoice(tuple(sources), tuple(problems))


def _rapl(site: Settings, problems: list[str]) -> list[EnergySource]:
    try:
        counters = find_counters(site.rapl_path)
    except Unreadable as error:
        problems.append(str(error))
        return []
    if counters:
        return [Rapl(counters)]
    if site.meter == "rapl":
        problems.append(
            f"FAIRWIND_METER is rapl, but there are no counters in {site.rapl_path}, so "
            "processors are modelled by their CPU seconds. In a container mount them and set "
            "FAIRWIND_RAPL_PATH (docs/energy.md); in a virtual machine set FAIRWIND_METER=cpu."
        )
    return []


def _nvml(environ: Mapping[str, str], nvml: Any | None, problems: list[str]) -> list[EnergySource]:
    try:
        module = nvml or load_nvml()
        gpus = Nvml(module, environ) if module is not None else None
    except Unreadable as error:
        problems.append(str(error))
        return []
    return [gpus] if gpus else []
