"""Why a gate is in its state, in one sentence a person can act on; the ledger keeps only codes."""

from __future__ import annotations

from collections.abc import Callable

from common.units import show_duration
from scheduler.gate.gate import Gate
from scheduler.ledger.events.gate import Code


def explain(gate: Gate) -> str:
    """Return why a gate is as it is, in one sentence a person can act on."""
    return f"{gate.state.replace('_', ' ')}: {_SENTENCES[gate.reason](gate)}"


def _number(gate: Gate, name: str) -> str:
    return _plain(gate.numbers[name])


def _plain(gco2eq_per_kwh: float) -> str:
    return f"{gco2eq_per_kwh:.1f}".removesuffix(".0")


def _intensity(gate: Gate) -> str:
    return f"{_number(gate, 'intensity_gco2eq_per_kwh')} gCO2eq/kWh"


def _opens_at(gate: Gate) -> str:
    numbers = gate.numbers
    bound = max(numbers["threshold_gco2eq_per_kwh"], numbers.get("q30_gco2eq_per_kwh", 0.0))
    bound = min(bound, numbers["ceiling_gco2eq_per_kwh"])
    return f"opens at {_plain(bound)} or below"


def _below_threshold(gate: Gate) -> str:
    threshold = _number(gate, "threshold_gco2eq_per_kwh")
    return f"{_intensity(gate)} is at or below the threshold of {threshold}"


def _clean_for_zone(gate: Gate) -> str:
    threshold = _number(gate, "threshold_gco2eq_per_kwh")
    return (
        f"{_intensity(gate)} is above the threshold of {threshold}, but among the cleanest 30 % of "
        f"the zone's last seven days ({_number(gate, 'q30_gco2eq_per_kwh')} or below)"
    )


def _between(gate: Gate) -> str:
    median = _number(gate, "q50_gco2eq_per_kwh")
    if gate.state == "open":
        return f"{_intensity(gate)} is at or below the zone's weekly median; closes above {median}"
    return f"{_intensity(gate)} is not clean enough to open again; {_opens_at(gate)}"


def _above_threshold(gate: Gate) -> str:
    threshold = f"the threshold of {_number(gate, 'threshold_gco2eq_per_kwh')}"
    if "q50_gco2eq_per_kwh" in gate.numbers:
        threshold += f" and the zone's weekly median of {_number(gate, 'q50_gco2eq_per_kwh')}"
    return f"{_intensity(gate)} is above {threshold}; {_opens_at(gate)}"


def _above_ceiling(gate: Gate) -> str:
    ceiling = _number(gate, "ceiling_gco2eq_per_kwh")
    return (
        f"{_intensity(gate)} is above the ceiling of {ceiling}, which no exception may cross; "
        f"raise FAIRWIND_CEILING_GCO2EQ_PER_KWH or wait"
    )


def _dwell(gate: Gate) -> str:
    changed_s, dwell_s = gate.numbers["changed_s"], gate.numbers["dwell_s"]
    return (
        f"at {_intensity(gate)} it would {'close' if gate.is_open else 'open'}, but it last "
        f"changed {show_duration(changed_s)} ago and keeps its state for "
        f"{show_duration(dwell_s)}; it may change in {show_duration(dwell_s - changed_s)}"
    )


def _patience_spent(gate: Gate) -> str:
    return (
        f"{_intensity(gate)} is too high for an open gate, but the client has waited "
        f"{_waited(gate)}, so it may train once"
    )


def _patience_over_budget(gate: Gate) -> str:
    return (
        f"the client has waited {_waited(gate)}, but {_intensity(gate)} is more than the gram "
        f"budget allows for an exception; {_opens_at(gate)}, or when the budget is raised"
    )


def _waited(gate: Gate) -> str:
    waited, patience = (show_duration(gate.numbers[name]) for name in ("waited_s", "patience_s"))
    return f"{waited} (patience: {patience})"


def _patience_unknown(gate: Gate) -> str:
    return (
        f"the zone's carbon intensity is unknown, but the client has waited {_waited(gate)} and "
        "FAIRWIND_UNKNOWN_GRID is patience, so it may train once, with unknown emissions"
    )


def _no_reading(_gate: Gate) -> str:
    return (
        "no reading for the zone at this hour, so nothing is trained there; check the client's "
        "zone and FAIRWIND_SIGNAL, and see `fairwind signal`"
    )


def _other_family(_gate: Gate) -> str:
    return (
        "only a figure of another kind is known for the zone (a fallback), which the threshold "
        "must not be compared to, so nothing is trained there; see `fairwind signal`"
    )


def _stale_reading(_gate: Gate) -> str:
    return (
        "the newest reading for the zone does not hold at this hour, so nothing is trained there; "
        "refresh the signal"
    )


_SENTENCES: dict[Code, Callable[[Gate], str]] = {
    "below_threshold": _below_threshold,
    "clean_for_zone": _clean_for_zone,
    "between": _between,
    "above_threshold": _above_threshold,
    "above_ceiling": _above_ceiling,
    "dwell": _dwell,
    "patience_spent": _patience_spent,
    "patience_over_budget": _patience_over_budget,
    "patience_unknown": _patience_unknown,
    "no_reading": _no_reading,
    "stale_reading": _stale_reading,
    "other_family": _other_family,
}
