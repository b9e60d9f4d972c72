"""What a site did, as one line for its administrator."""

from __future__ import annotations

from common.messages import Receipt
from common.units import emitted_gco2eq, show_bytes, show_duration, show_energy, show_mass

SHORT_REASONS = {
    "paused": "paused",
    "not_recorded": "its audit trail could not be written",
    "too_late": "came too late",
    "above_site_ceiling": "above its ceiling",
    "outside_site_windows": "outside its hours",
    "over_daily_mb": "over its MB a day",
    "over_daily_energy": "over its Wh a day",
    "over_daily_trainings": "over its trainings a day",
    "over_limits": "asked for too much",
    "other_clock": "on another clock",
    "policy_unreadable": "policy unreadable",
    "run_not_allowed": "run not allowed",
    "workload_not_allowed": "workload not allowed",
    "workload_changed": "source of the workload changed",
    "awaits_approval": "waited for approval",
    "metrics_stay": "no metric may leave",
    "privacy_required": "no record privacy",
    "over_privacy_budget": "over its privacy budget",
    "privacy_unknown": "its privacy odometer is unreadable",
    "no_privacy": "Opacus is not installed",
    "too_much_memory": "training needed too much memory",
    "too_long": "training took too long",
    "model_missing": "the model was gone",
    "model_altered": "the model was altered on its way",
    "workload_failed": "the workload failed",
    "disk_full": "its disk is full",
    "disk_failed": "its disk failed",
    "site_failed": "an error at the site",
}
"""Short words for the codes of a `Reason`."""


def describe_answer(receipt: Receipt, intensity_gco2eq_per_kwh: float | None) -> str:
    """Return what became of an assignment, what it used and what left the site.

    Args:
        receipt: The site's answer.
        intensity_gco2eq_per_kwh: Of the site's grid, as the assignment brought it; `None` if
            unknown.
    """
    what = f"{receipt.outcome} {receipt.run} round {receipt.round}"
    if receipt.reason is not None:
        return f"{what}: {receipt.reason.text}"
    sent = f"sent {show_bytes(receipt.update.nbytes if receipt.update else 0)}"
    took = show_duration((receipt.ended_at - receipt.started_at).total_seconds())
    return f"{what}: {_used(receipt, intensity_gco2eq_per_kwh)}, {sent}, {took}"


def _used(receipt: Receipt, intensity_gco2eq_per_kwh: float | None) -> str:
    if receipt.energy is None:
        return "energy unknown"
    energy_wh = receipt.energy.energy_wh
    if intensity_gco2eq_per_kwh is None:
        return f"{show_energy(energy_wh)}, emissions unknown"
    grams = emitted_gco2eq(energy_wh, intensity_gco2eq_per_kwh)
    return f"{show_energy(energy_wh)}, {show_mass(grams)}"
