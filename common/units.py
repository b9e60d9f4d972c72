"""Physical quantities: the one formula for emissions, and how figures are shown to people."""

from __future__ import annotations

import math
from collections.abc import Sequence

Scale = Sequence[tuple[float, str]]
"""Units of one quantity, smallest first, each with its size in the quantity's base unit."""

_MASS: Scale = (
    (1e-6, "ugCO2eq"),
    (1e-3, "mgCO2eq"),
    (1.0, "gCO2eq"),
    (1e3, "kgCO2eq"),
    (1e6, "tCO2eq"),
)
_ENERGY: Scale = ((1e-6, "uWh"), (1e-3, "mWh"), (1.0, "Wh"), (1e3, "kWh"), (1e6, "MWh"))
_BYTES: Scale = ((1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB"))

J_PER_WH = 3600.0

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400

_TWO_DIGITS_BELOW = 10
_NEXT_UNIT_AT = 1000


def emitted_gco2eq(energy_wh: float, intensity_gco2eq_per_kwh: float) -> float:
    """Return the operational emissions of energy used under one carbon intensity.

    Implements O = E * I of the SCI specification 1.1, "Operational emissions".

    Args:
        energy_wh: Electricity at the wall, in Wh, facility overhead included; not negative.
        intensity_gco2eq_per_kwh: Carbon intensity of the grid while it was used; not negative.

    Returns:
        Emissions in gCO2eq, never negative.

    Raises:
        ValueError: If either figure is negative, infinite or not a number.

    >>> emitted_gco2eq(500.0, 200.0)
    100.0
    """
    for name, value in (
        ("energy_wh", energy_wh),
        ("intensity_gco2eq_per_kwh", intensity_gco2eq_per_kwh),
    ):
        if not (math.isfinite(value) and value >= 0):
            msg = f"{name} is {value}, but must be finite and not negative"
            raise ValueError(msg)
    return energy_wh * intensity_gco2eq_per_kwh / 1000


def show_mass(gco2eq: float) -> str:
    """Return emissions in gCO2eq as text; negative where less was emitted than otherwise.

    >>> [show_mass(g) for g in (0, 0.00021, 0.25, 1234.5, -3_400_000)]
    ['0 gCO2eq', '210 ugCO2eq', '250 mgCO2eq', '1.2 kgCO2eq', '-3.4 tCO2eq']
    """
    return _scaled(gco2eq, _MASS, zero="0 gCO2eq")


def show_energy(energy_wh: float) -> str:
    """Return energy in Wh as text.

    >>> [show_energy(wh) for wh in (0, 0.00005, 42, 1500, 2e6)]
    ['0 Wh', '50 uWh', '42 Wh', '1.5 kWh', '2 MWh']
    """
    return _scaled(energy_wh, _ENERGY, zero="0 Wh")


def show_bytes(nbytes: int) -> str:
    """Return a number of bytes as text, in decimal units.

    >>> [show_bytes(n) for n in (0, 512, 42_000_000, 999_999)]
    ['0 B', '512 B', '42 MB', '1 MB']
    """
    return _scaled(nbytes, _BYTES, zero="0 B")


def show_duration(seconds: float) -> str:
    """Return a span of time in seconds as text, in its two largest units.

    >>> [show_duration(s) for s in (0.08, 45, 11_400, 187_200, 3599.7)]
    ['0.08 s', '45 s', '3 h 10 min', '2 d 4 h', '1 h']
    """
    sign, whole = ("-" if seconds < 0 else ""), abs(seconds)
    if round(whole) < _MINUTE_S:
        return f"{sign}{_digits(whole)} s"
    if round(whole) < _HOUR_S:
        return sign + _pair(round(whole), _MINUTE_S, "min", "s")
    if round(whole / _MINUTE_S) * _MINUTE_S < _DAY_S:
        return sign + _pair(round(whole / _MINUTE_S), _MINUTE_S, "h", "min")
    return sign + _pair(round(whole / _HOUR_S), _DAY_S // _HOUR_S, "d", "h")


def show_share(share: float) -> str:
    """Return a share, 1 being the whole, as a percentage.

    >>> [show_share(x) for x in (0.43, 0.004, -0.05, 1)]
    ['43 %', '0.4 %', '-5 %', '100 %']
    """
    return f"{_digits(share * 100)} %"


def show_intensity(gco2eq_per_kwh: float | None) -> str:
    """Return a carbon intensity as text; one that is not known is never shown as zero.

    >>> show_intensity(212.4), show_intensity(None)
    ('212 gCO2eq/kWh', 'unknown')
    """
    return "unknown" if gco2eq_per_kwh is None else f"{_digits(gco2eq_per_kwh)} gCO2eq/kWh"


def _scaled(value: float, scale: Scale, *, zero: str) -> str:
    if value == 0:
        return zero
    # Rounding comes first: 999.7 g is 1 kg, not 1,000 g.
    fits = (step for step in scale if round(abs(value) / step[0]) < _NEXT_UNIT_AT)
    size, unit = next(fits, scale[-1])
    return f"{_digits(value / size)} {unit}"


def _digits(value: float) -> str:
    return f"{value:.2g}" if abs(value) < _TWO_DIGITS_BELOW else f"{value:,.0f}"


def _pair(count: int, per_large: int, large: str, small: str) -> str:
    whole, rest = divmod(count, per_large)
    return f"{whole} {large} {rest} {small}" if rest else f"{whole} {large}"
