"""The methods of a report: each figure's formula, with the source and date of every constant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Method:
    """How a figure is made, and by whose specification."""

    name: str
    how: str
    source: str


_SCI = "SCI specification 1.1, Green Software Foundation (ISO/IEC 21031:2024)"

METHODS: tuple[Method, ...] = (
    Method(
        "Operational emissions",
        "O = E x I: the electricity of a task at the wall, facility overhead (PUE) "
        "included once, times the mean carbon intensity of its zone while it ran. Location-based; "
        "offsets, certificates and power purchase agreements never enter.",
        f"{_SCI}, operational emissions",
    ),
    Method(
        "Carbon intensity",
        "The mean of the zone's readings over the interval, weighted by time. Readings that count "
        "different things (average or marginal, life-cycle or direct, consumption or production) "
        "are never added: what is known in another family alone stands apart.",
        f"{_SCI}, location-based marginal or average",
    ),
    Method(
        "Booked and settled",
        "Work is booked under the intensity known when its answer came. As soon as measured "
        "intensities cover all of it, or estimates that their source has not replaced after a day, "
        "it is settled under these; both figures stay. Where there are none yet, the settled "
        "figure is the booked one.",
        "this ledger, events grid.settled",
    ),
    Method(
        "Tasks",
        "Every assignment that a client worked on is booked once: counted, late, refused, "
        "conflicting, duplicate, declined, failed, cut off with its round, or lost. What a lost "
        "task used was not reported by the site; it is unknown, not zero. Work belongs to the "
        "period and the month in which its round was planned.",
        "this ledger, events update.* and assignment.*",
    ),
    Method(
        "Run-now baseline",
        "The same cohorts and the same Wh, each round begun as soon as the baseline's previous "
        "round ends (or when its schedule makes it due) instead of when power is clean, under the "
        "same readings. Avoided = baseline - counted emissions. At settled intensities only where "
        "every hour of the work and of its baseline has been measured.",
        "Fairwind, docs/accounting.md",
    ),
    Method(
        "Place",
        "The same energy at the same time at the mean intensity of all clients' zones, less what "
        "was emitted, as booked. Apart from the baseline, which is about time.",
        "Fairwind, docs/accounting.md",
    ),
    Method(
        "SCI per unit",
        "SCI = (E x I + M) / R. The numerator has all work, idle hardware, network and embodied "
        "emissions, as far as they are known. R is one accepted update; or one point (0.01) of the "
        "run's metric: of a round, the points by which it beats the best version before; of a run, "
        "all points of its best version.",
        _SCI,
    ),
    Method(
        "Parameters and FLOPs",
        "Parameters: all values of a version of the model, frozen ones and buffers included. "
        "FLOPs: each site counts its first 32 examples, forward and backward, on tensors without "
        "values. Matrix products, convolutions and attention are counted, two operations for a "
        "multiplication with its addition; elementwise operations, the optimizer and scoring are "
        "not. A frozen layer counts its forward pass, and backward what trained layers need. "
        "Unknown where a loop is the user's own, and with Ditto. Training tokens are not known.",
        "SCI for AI specification, Green Software Foundation, section 8.2 (public review since "
        "November 2025); PyTorch, torch.utils.flop_counter",
    ),
    Method(
        "Annual factors",
        "The same energy times one intensity of its zone for all hours: the mean of the ledger's "
        "own readings where they cover a year, else the yearly mean that the settings state, else "
        "the mean of 2022 by which typical days are modelled. Only of the family that is counted; "
        "unknown where there is none. Beside the emissions, never subtracted.",
        "the table At annual factors names the source of each",
    ),
    Method(
        "Idle hardware",
        "What reserved hardware used since the site's last answer while it waited, as the site "
        "reports it, at the mean intensity of the hours waited; of the work that followed where "
        "that is unknown. Apart from the work.",
        f"{_SCI}: E covers reserved hardware",
    ),
    Method(
        "Network",
        "Bytes of the model pulled and of the update sent, times a constant: 0.001 kWh/GB unless "
        "FAIRWIND_NETWORK_KWH_PER_GB was set otherwise when the work was booked; at the intensity "
        "of the client's zone. Published constants lie a factor of 69 apart (CUMULATOR: 0.069 "
        "kWh/GB), so the figure stands apart and its uncertainty is not quantified.",
        "Cloud Carbon Footprint, methodology, networking; CUMULATOR, EPFL (both adopted 2026-11)",
    ),
    Method(
        "Embodied emissions",
        "M = TE x (TiR / EL) x (RR / ToR) with TE, EL and the share RR / ToR as the site sets "
        "them, TiR the time of the task. Apart from the operational emissions.",
        f"{_SCI}, embodied emissions",
    ),
    Method(
        "Uncertainty",
        "Of forecast intensities: their own 10 % and 90 % quantiles, else 10.8 %, the largest "
        "day-ahead error by zone of published forecasts. Of the modelled typical day: one standard "
        "deviation of its fit to 2022 in that zone. Of the energy counters of GPUs: 5 %. All else, "
        "measured and estimated intensities and models of processors included, has no published "
        "error and is not quantified. Errors are added up as if they all went the same way.",
        "CarbonCast, Maji, Shenoy and Sitaraman, BuildSys 2022, evaluated 2026-11; "
        "typical_day.csv; NVIDIA NVML API reference, nvmlDeviceGetPowerUsage (adopted 2026-11)",
    ),
)

_CREDITS: Mapping[str, str] = {
    "typical_day": "typical_day: contains carbon-intensity data from Electricity Maps "
    "(electricitymaps.com), published under the ODbL 1.0; modelled on 2022, not what the grid did.",
    "electricity_maps": "electricity_maps: data by Electricity Maps (electricitymaps.com), under "
    "the terms of the key's plan. Check them before readings are passed on.",
    "watttime": "watttime: data by WattTime (watttime.org), under a data licence of its own. Check "
    "it before readings are passed on.",
    "neso": "neso: data by the Carbon Intensity API of the National Energy System Operator "
    "(carbonintensity.org.uk), CC BY 4.0.",
}


def credits_of(sources: Iterable[str]) -> list[str]:
    """Return the credits for the readings of some signals, with their licences."""
    return [_CREDITS[name] for name in sorted(set(sources)) if name in _CREDITS]
