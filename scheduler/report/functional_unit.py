"""Functional units of the SCI for AI: what a run emitted for each parameter and each FLOP.

Green Software Foundation, "Software Carbon Intensity for AI Specification", section 8.2, provider
functional units; in public review since November 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from scheduler.accounting.booking import Booking
from scheduler.report.sums import add_up, per


@dataclass(frozen=True, slots=True)
class FunctionalUnits:
    """The functional units of a run, and its emissions for one of each.

    The emissions are those of all work in the period, the numerator of every SCI of the run.

    Attributes:
        num_params: Values in a version of the model, frozen ones and buffers included; 0 if there
            was none.
        gross_flops: Floating-point operations of all training, also of what is in no model, as far
            as they are known; `None` if a task that counts does not report them.
        effective_flops: Those of the work that counts alone; `None` likewise.
        tasks_without_flops: Tasks that trained, or may have, and report no FLOPs.
        gco2eq: The emissions, gCO2eq.
    """

    num_params: int
    gross_flops: float | None
    effective_flops: float | None
    tasks_without_flops: int
    gco2eq: float

    @classmethod
    def of(cls, num_params: int, bookings: Sequence[Booking]) -> Self:
        """Return the units of a run's bookings."""
        counted = [b for b in bookings if b.outcome == "counted"]
        known = bool(counted) and all(b.flops is not None for b in counted)
        everything = add_up(bookings)
        return cls(
            num_params=num_params,
            gross_flops=everything.flops if known else None,
            effective_flops=add_up(counted).flops if known else None,
            tasks_without_flops=sum(b.flops is None and b.outcome in _TRAINS for b in bookings),
            gco2eq=everything.all_gco2eq,
        )

    @property
    def gco2eq_per_parameter(self) -> float | None:
        """SCI with one value of the model as R."""
        return per(self.gco2eq, self.num_params)

    @property
    def gco2eq_per_gross_flop(self) -> float | None:
        """SCI with one floating-point operation of all training as R."""
        return per(self.gco2eq, self.gross_flops)

    @property
    def gco2eq_per_effective_flop(self) -> float | None:
        """SCI with one floating-point operation of the work that counts as R."""
        return per(self.gco2eq, self.effective_flops)


_TRAINS = frozenset(
    {"counted", "late", "refused", "conflicting", "duplicate", "failed", "lost", "cut_off"}
)
"""Outcomes of work that trained, or may have: what was declined or only scored did not."""
