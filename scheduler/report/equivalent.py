"""One everyday equivalent of some emissions, for readers who have no feeling for grams."""

from __future__ import annotations

_GCO2_PER_GALLON = 8887.0
"""gCO2 from burning one US gallon of petrol: US EPA, Greenhouse Gas Equivalencies Calculator,
calculations and references (adopted 2026-11)."""

_LITRES_PER_GALLON = 3.785411784
"""Of the US gallon, by definition."""

_UNITS = (("litres", 1.0), ("ml", 1e-3), ("microlitres", 1e-6), ("nanolitres", 1e-9))

EQUIVALENT_SOURCE = (
    "US EPA, Greenhouse Gas Equivalencies Calculator, calculations and references: "
    "8,887 gCO2 per US gallon of 3.785 litres (adopted 2026-11)"
)


def petrol(gco2eq: float) -> str:
    """Return how much petrol emits as much when it is burnt, in a fitting unit.

    >>> petrol(4_700)
    '2.00 litres'
    >>> petrol(0.0001)
    '42.6 nanolitres'
    """
    litres = gco2eq / (_GCO2_PER_GALLON / _LITRES_PER_GALLON)
    name, size = next((unit for unit in _UNITS if litres >= unit[1]), _UNITS[-1])
    digits = 2 if litres / size < 10 else 1 if litres / size < 100 else 0  # noqa: PLR2004 - three significant digits
    return f"{litres / size:,.{digits}f} {name}"
