"""What each figure of a report rests on: boundary, methods, sources, and how sure its parts are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from common.units import emitted_gco2eq
from scheduler.accounting.booking import Booking
from scheduler.carbon.mean import Mean
from scheduler.report.annual import YEAR_S, AnnualFigure
from scheduler.report.folded_events import SourceUse

SETTLED = "Operational, settled"
"""The figure that a report leads with."""

ELSEWHERE = "In another family alone"
"""The figure of what is known in intensities that count something else."""

Energy = Callable[[Booking], float | None]
Intensity = Callable[[Booking], Mean | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureBasis:
    """One figure, and all that one has to know to compare it to another.

    Shares are of the figure's own energy, 0 to 1; `None` where it has no intensities or no energy.

    Attributes:
        figure: Its name.
        boundary: Whose electricity or emissions it is.
        ghg_scope: Where the GHG Protocol puts it.
        energy_wh: Wh; `None` if unknown, or if the figure has no energy.
        unreported: Tasks whose part of the energy is unknown.
        gco2eq: gCO2eq; `None` if unknown.
        energy_method: How the energy was found; empty if the figure has none.
        factor_sources: The signals that the intensities came from.
        kind, scope, accounting: What the intensities count, as `scheduler.carbon.family` has it.
        shortest_slot_s, longest_slot_s: Lengths of the slots of the intensities, s.
        measured_share, estimated_share, modelled_share, forecast_share: Energy by the quality of
            its intensity; stale figures are forecasts.
        unknown_share: Energy without an intensity in this family.
        settled_share: Energy whose intensity has been replaced by what was measured since.
    """

    figure: str
    boundary: str
    ghg_scope: str
    energy_wh: float | None = None
    unreported: int = 0
    gco2eq: float | None = None
    energy_method: str = ""
    factor_sources: tuple[str, ...] = ()
    kind: str | None = None
    scope: str | None = None
    accounting: str | None = None
    shortest_slot_s: float | None = None
    longest_slot_s: float | None = None
    measured_share: float | None = None
    estimated_share: float | None = None
    modelled_share: float | None = None
    forecast_share: float | None = None
    unknown_share: float | None = None
    settled_share: float | None = None


def figure_bases(
    bookings: Sequence[Booking],
    sources: Iterable[SourceUse],
    *,
    annual: AnnualFigure,
    avoided_gco2eq: float | None,
) -> tuple[FigureBasis, ...]:
    """Return what each figure of a report rests on.

    Args:
        bookings: All work of the report.
        sources: The readings behind it.
        annual: The same work at annual factors.
        avoided_gco2eq: What waiting avoided, as booked; `None` if unknown.
    """
    made = _Maker(tuple(sources))
    counted = [b for b in bookings if b.outcome == "counted"]
    lost = [b for b in bookings if b.outcome != "counted"]
    apart = [b for b in bookings if b.apart_gco2eq is not None]
    embodied = _sum(b.embodied_gco2eq for b in bookings)
    settled = made.of(SETTLED, _CLIENT, bookings, _work, _best)
    return (
        made.of("Operational, as booked", _CLIENT, bookings, _work, _booked),
        settled,
        made.of("Operational, settled: in models", _CLIENT, counted, _work, _best),
        made.of("Operational, settled: lost work", _LOST, lost, _work, _best),
        made.of("Idle hardware", _IDLE, bookings, _idle, _waited, how="as the site reports"),
        made.of("Network", _NETWORK, bookings, _network, _best, how="modelled: bytes x constant"),
        _plain("Server", _SERVER, None, "not measured"),
        _plain("Embodied", _HARDWARE, embodied),
        _at_annual(settled, annual),
        made.of(ELSEWHERE, _APART, apart, _work, lambda b: b.booked),
        _plain("Avoided by waiting, as booked", _COMPARISON, avoided_gco2eq),
    )


_CLIENT = "client: tasks of the sites, PUE included", "Scope 2 of each site"
_LOST = "client: tasks that are in no model", "Scope 2 of each site"
_IDLE = "client: reserved hardware that waits", "Scope 2 of each site"
_NETWORK = "network: bytes pulled and sent", "Scope 3, category 1"
_SERVER = "server: coordinator, Redis, Flower", "Scope 2 of their operator"
_HARDWARE = "client: making of the hardware", "Scope 3, category 2"
_APART = "client: tasks of the sites, PUE included", "outside: in no sum"
_COMPARISON = "comparison to running at once", "outside: never subtracted"
"""Boundaries, each with its place in the GHG Protocol."""

_NOT_REPORTED = "not reported by the site"


@dataclass(frozen=True, slots=True)
class _Maker:
    sources: tuple[SourceUse, ...]

    def of(
        self, figure: str, where: tuple[str, str], bookings: Sequence[Booking], energy: Energy,
        intensity: Intensity, *, how: str | None = None,
    ) -> FigureBasis:  # fmt: skip
        """Return the basis of a sum of energies times intensities; without any work it is zero."""
        if not bookings:
            return _plain(figure, where, 0.0, energy_wh=0.0)
        used = [(b, wh, intensity(b)) for b in bookings if (wh := energy(b)) is not None]
        whole_wh = math.fsum(wh for _, wh, _ in used)
        known = [(b, wh, mean) for b, wh, mean in used if mean is not None]

        def part(holds: Callable[[Booking, Mean | None], bool]) -> float | None:
            wh = math.fsum(wh for b, wh, mean in used if holds(b, mean))
            return wh / whole_wh if whole_wh else None

        slots = self._behind(known)
        families = [mean.family for _, _, mean in known]
        methods = sorted({b.energy.method for b, _, _ in used if b.energy})
        return FigureBasis(
            figure=figure, boundary=where[0], ghg_scope=where[1],
            energy_wh=whole_wh if used else None, unreported=len(bookings) - len(used),
            gco2eq=_sum(emitted_gco2eq(wh, mean.gco2eq_per_kwh) for _, wh, mean in known),
            energy_method=(how or ", ".join(methods)) if used else _NOT_REPORTED,
            factor_sources=tuple(sorted({s for _, _, mean in known for s in mean.sources})),
            kind=_one(f.kind for f in families), scope=_one(f.scope for f in families),
            accounting=_one(f.accounting for f in families),
            shortest_slot_s=min((use.shortest_s for use in slots), default=None),
            longest_slot_s=max((use.longest_s for use in slots), default=None),
            measured_share=part(lambda _, mean: _quality(mean) == "measured"),
            estimated_share=part(lambda _, mean: _quality(mean) == "estimated"),
            modelled_share=part(lambda _, mean: _quality(mean) == "modelled"),
            forecast_share=part(lambda _, mean: _quality(mean) in ("forecast", "stale")),
            unknown_share=part(lambda _, mean: mean is None),
            settled_share=part(lambda b, mean: mean is not None and mean is b.settled),
        )  # fmt: skip

    def _behind(self, known: Sequence[tuple[Booking, float, Mean]]) -> list[SourceUse]:
        """Return the readings behind some work."""
        names = {(b.zone, s, str(mean.family)) for b, _, mean in known for s in mean.sources}
        return [use for use in self.sources if (use.zone, use.source, use.family) in names]


def _plain(
    figure: str, where: tuple[str, str], gco2eq: float | None, how: str = "",
    *, energy_wh: float | None = None,
) -> FigureBasis:  # fmt: skip
    return FigureBasis(
        figure=figure, boundary=where[0], ghg_scope=where[1], energy_wh=energy_wh, gco2eq=gco2eq,
        energy_method=how,
    )  # fmt: skip


def _at_annual(settled: FigureBasis, annual: AnnualFigure) -> FigureBasis:
    """Return the basis of the same work at annual factors: no hours, so no shares of them."""
    factors = {zone.factor.source for zone in annual.zones if zone.factor is not None}
    return FigureBasis(
        figure="Operational, at annual factors", boundary=settled.boundary,
        ghg_scope="beside the figure by the hour", energy_wh=annual.energy_wh,
        gco2eq=annual.annual_gco2eq, energy_method=settled.energy_method,
        factor_sources=tuple(sorted(factors)), kind=settled.kind, scope=settled.scope,
        accounting=settled.accounting, shortest_slot_s=YEAR_S if factors else None,
        longest_slot_s=YEAR_S if factors else None,
    )  # fmt: skip


def _work(booking: Booking) -> float | None:
    return booking.energy_wh


def _idle(booking: Booking) -> float | None:
    return booking.idle_wh


def _network(booking: Booking) -> float | None:
    return booking.network_wh


def _best(booking: Booking) -> Mean | None:
    return booking.best


def _waited(booking: Booking) -> Mean | None:
    return booking.idle_intensity


def _booked(booking: Booking) -> Mean | None:
    return booking.booked if booking.comparable else None


def _quality(mean: Mean | None) -> str:
    return "" if mean is None else mean.quality


def _one(words: Iterable[str]) -> str | None:
    return " / ".join(sorted(set(words))) or None


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if known else None
