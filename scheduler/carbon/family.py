"""The family of a carbon intensity: what it counts, and so what it may be compared to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

Kind = Literal["average", "marginal"]
"""All power plants, or the one that would supply one more kWh."""

Scope = Literal["lifecycle", "direct"]
"""With or without building plants and mining fuels."""

Accounting = Literal["consumption", "production"]
"""With or without what flows over the zone's borders."""


@dataclass(frozen=True, slots=True, order=True)
class Family:
    """What a carbon intensity counts. Figures of different families are never compared or added."""

    kind: Kind
    scope: Scope
    accounting: Accounting

    def __str__(self) -> str:
        return f"{self.kind}, {self.scope}, {self.accounting}"

    @staticmethod
    @cache
    def parse(text: str) -> Family:
        """Return the family that `str` wrote."""
        kind, scope, accounting = text.split(", ")
        return Family(kind, scope, accounting)  # type: ignore[arg-type]


FLOW_TRACED = Family("average", "lifecycle", "consumption")
"""The family of Electricity Maps' default figures, and of every local signal."""
