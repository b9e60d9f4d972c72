"""What a site can have used and found: figures that physics does not allow are unknown. Pure.

A site may be wrong or hostile, and the ledger keeps what it reports for ever. So every figure has a
bound before it is recorded, and again when it is read: a ledger that already holds impossible
figures stops nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from common.bounds import MOST_W
from common.messages import Energy, Timings
from scheduler.ledger.events import WorkRecord

LEAST_WH = 1e-9
"""No task uses less, if any: 4 microjoules, a sixteenth of what processors' meters can count (61
microjoules). What is divided by less has no finite value."""

MOST_EMBODIED_G_PER_S = 5.0
"""The same for the share of making hardware: 600 t of it, used up within four years."""

MOST_FLOPS_PER_S = 1e19
"""No site computes faster: a rack of 72 GPUs does 1.4e18 operations a second in four bits (NVIDIA
GB200, 2024)."""

MOST_PUE = 10.0
"""No facility uses ten times what its computers do; the mean is 1.6 (Uptime Institute, 2024)."""

LARGEST = 3.4028234663852886e38
"""The largest float32: what a model finds beyond has no value, and sums of it would overflow."""

_SHORTEST = timedelta(minutes=1)
"""What was used in less time is judged as if it had taken so long: clocks are not exact."""

_LONGEST_IDLE_S = 366 * 86_400.0
"""Hardware that waited for longer waited for something else, too."""

_BEYOND = timedelta(days=1)
"""By so much recorded work may lie outside its run: a clock may have been set anew."""


def plausible(work: WorkRecord, *, within: timedelta, most_examples: int) -> WorkRecord:
    """Return work without the figures that cannot be true.

    Args:
        work: As a site reports it, or as the ledger has it.
        within: From the issue of its assignment to the arrival of its receipt, or longer.
        most_examples: So many held-out examples count at most.
    """
    return _changed(work, _known(work, within=within) | _counted(work, most_examples))


def placed(work: WorkRecord, *, since: datetime, until: datetime) -> WorkRecord:
    """Return recorded work inside the time of its run: each hour of it takes memory.

    Args:
        work: As the ledger has it.
        since: When its run was started, grid clock.
        until: When it was recorded, grid clock.
    """
    since, until = since - _BEYOND, max(since, until) + _BEYOND
    started_at = min(max(work.grid_started_at, since), until)
    ended_at = min(max(work.grid_ended_at, started_at), until)
    return _changed(work, {"grid_started_at": started_at, "grid_ended_at": ended_at})


def plausible_energy(energy: Energy | None, within: timedelta) -> Energy | None:
    """Return an energy that a site can have used; `None` if no site can.

    Args:
        energy: As a site reports it.
        within: From the issue of its assignment to the arrival of its receipt, or longer.
    """
    if energy is None:
        return None
    longest_s = max(within, _SHORTEST).total_seconds()
    most_wh = _most_wh(longest_s)
    used = (energy.energy_wh, *(part.energy_wh for part in energy.parts))
    if max(used) > most_wh or 0.0 < energy.energy_wh < LEAST_WH or energy.pue > MOST_PUE:
        return None
    idle_s, idle_wh, embodied = energy.idle_s, energy.idle_wh, energy.embodied_gco2eq
    changes: dict[str, Any] = {}
    waited_s = _LONGEST_IDLE_S if idle_s is None else idle_s
    if waited_s > _LONGEST_IDLE_S or (idle_wh or 0.0) > _most_wh(waited_s):
        changes |= {"idle_wh": None, "idle_s": None}
    if embodied is not None and embodied > MOST_EMBODIED_G_PER_S * longest_s:
        changes["embodied_gco2eq"] = None
    return energy.model_copy(update=changes) if changes else energy


def plausible_timings(timings: Timings, within_s: float) -> Timings:
    """Return where seconds went, none of them negative and none longer than the whole.

    Args:
        timings: As a site reports them.
        within_s: From issue to acceptance, in wall seconds.
    """
    most_s = max(0.0, within_s) + _SHORTEST.total_seconds()
    changes = {
        name: min(max(value, 0.0), most_s) for name, value in timings if not 0.0 <= value <= most_s
    }
    return timings.model_copy(update=changes) if changes else timings


def plausible_figure(value: float | None) -> float | None:
    """Return a figure that a model can find; `None` for one that overflows."""
    return None if value is None or not -LARGEST <= value <= LARGEST else value


def _known(work: WorkRecord, *, within: timedelta) -> dict[str, Any]:
    """Return the figures of which those that cannot be true are unknown."""
    energy = plausible_energy(work.energy, within)
    found: dict[str, Any] = {
        "energy": energy,
        "loss": plausible_figure(work.loss),
        "utility": plausible_figure(work.utility),
    }
    most_flops = MOST_FLOPS_PER_S * max(within, _SHORTEST).total_seconds()
    if work.flops is not None and work.flops > most_flops:
        found["flops"] = None
    if energy is None:
        found |= {"gco2eq": None, "gco2eq_apart": None}
    if any(plausible_figure(value) is None for value in work.metrics.values()):
        found["metrics"] = {name: plausible_figure(value) for name, value in work.metrics.items()}
    return found


def _counted(work: WorkRecord, most_examples: int) -> dict[str, Any]:
    return {"num_held_out": min(work.num_held_out, most_examples)}


def _changed(work: WorkRecord, found: Mapping[str, Any]) -> WorkRecord:
    """Return work with these figures; the same object where nothing is new."""
    changes = {name: value for name, value in found.items() if value != getattr(work, name)}
    return work.model_copy(update=changes) if changes else work


def _most_wh(seconds: float) -> float:
    """Return the most that a site can use in so many seconds, Wh."""
    return MOST_W * max(seconds, _SHORTEST.total_seconds()) / 3600
