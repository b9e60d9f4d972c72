"""The document: all that one page holds of a run, in JSON, and the messages that renew it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.monitor.page.clients import client_page
from tasks.monitor.page.history import RoundRow, round_page
from tasks.monitor.page.query import ClientQuery, RoundQuery

_MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Shown:
    """What one open page looks at: a page of each table, `None` while the table is closed."""

    clients: ClientQuery | None = None
    rounds: RoundQuery | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What there is to see of a run, for every page that shows it.

    Attributes:
        core: What every page holds, whatever it looks at.
        clients: A row for each client.
        rounds: A row for each round.
    """

    core: Mapping[str, Any]
    clients: Sequence[Mapping[str, Any]] = field(default_factory=list)
    rounds: Sequence[RoundRow] = field(default_factory=list)

    def document(self, shown: Shown) -> dict[str, Any]:
        """Return what a page holds that looks at `shown`."""
        whole: dict[str, Any] = compact(self.core)
        return whole | self.tables(shown)

    def tables(self, shown: Shown) -> dict[str, Any]:
        """Return the pages of tables that are shown."""
        tables: dict[str, Any] = {}
        if shown.clients is not None:
            tables["clients"] = client_page(self.clients, shown.clients)
        if shown.rounds is not None:
            tables["rounds"] = round_page(self.rounds, shown.rounds)
        short: dict[str, Any] = compact(tables)
        return short


def compact(value: Any) -> Any:
    """Return a value as JSON with figures of six digits, and times to the millisecond.

    What JSON lacks, NaN and infinities, becomes null: a model may diverge.
    """
    match value:
        case bool():
            return value
        case float():
            return _figure(value)
        case Mapping():
            return {str(name): compact(item) for name, item in value.items()}
        case list() | tuple():
            return [compact(item) for item in value]
    return value


def _figure(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    short = round(value, 3) if abs(value) >= _MILLION else float(f"{value:.6g}")
    return int(short) if short.is_integer() else short
