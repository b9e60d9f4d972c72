"""What a site should know of its meters before it trains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from common.settings import Settings
from models.energy.source_choice import choose_sources

Finding = tuple[Literal["ok", "warning"], str]
"""How serious it is, and a sentence for people."""

_NO_RAPL = (
    "There are no RAPL counters in {path}, as in virtual machines and most containers. Set "
    "FAIRWIND_WATTS_PER_CORE to the processor's watts divided by its cores or, in a container on "
    "hardware of yours, mount the counters and set FAIRWIND_RAPL_PATH (docs/energy.md)."
)


def meter_findings(site: Settings, *, nvml: Any | None = None) -> list[Finding]:
    """Return which meters this machine offers, which are used, and how to get better ones.

    Args:
        site: The site's settings.
        nvml: In place of the module `pynvml`.
    """
    choice = choose_sources(site, nvml=nvml)
    names = frozenset(source.name for source in choice.sources)
    found: list[Finding] = [("ok", f"Energy: {', '.join(_used(site, names))}.")]
    found += [("warning", problem) for problem in choice.problems]
    rapl_is_told = "rapl" in names or any(text.startswith("RAPL") for text in choice.problems)
    if site.meter == "auto" and not rapl_is_told:
        found.append(("ok", _NO_RAPL.format(path=site.rapl_path)))
    left_out = list(_left_out(site, names))
    if left_out:
        found.append(("ok", f"No energy figure holds {'; '.join(left_out)}."))
    return found


def _used(site: Settings, names: frozenset[str]) -> Iterator[str]:
    if "constant" in names:
        yield f"the whole site counts {site.constant_w:g} W while it trains"
    elif "rapl" in names:
        yield "processors are measured by RAPL"
    else:
        yield f"processors are modelled at {site.watts_per_core:g} W a busy core"
    if "nvml" in names:
        yield "GPUs are measured by NVML"
    if "memory" in names:
        yield f"memory is modelled at {site.memory_w_per_gb:g} W per GB"
    yield f"all times a PUE of {site.pue:g}"


def _left_out(site: Settings, names: frozenset[str]) -> Iterator[str]:
    if site.gpu_meter == "off" and "constant" not in names:
        yield "GPUs (FAIRWIND_GPU_METER)"
    if site.pue == 1:
        yield "cooling and power supply (FAIRWIND_PUE)"
    if not site.idle_w:
        yield "hardware reserved for Fairwind while it waits (FAIRWIND_IDLE_W)"
    if site.embodied_kgco2eq is None:
        yield "the making of hardware (FAIRWIND_EMBODIED_KGCO2EQ)"
