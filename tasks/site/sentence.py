"""What a site did, as one line for its administrator."""

from __future__ import annotations

from common.messages import Receipt
from common.units import emitted_gco2eq, show_bytes, show_duration, show_energy, show_mass


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
