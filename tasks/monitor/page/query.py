"""Which part of a table an open page looks at: search, chips, order, page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

PAGE_ROWS: Final = 50

_Row = TypeVar("_Row")
Sortable = str | float | None


def _listed(value: object) -> object:
    return tuple(sorted(filter(None, value.split(",")))) if isinstance(value, str) else value


_Chosen = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(max_length=20)]
_Text = Annotated[str, Field(max_length=64)]


class Query(BaseModel):
    """The query of either table.

    Attributes:
        q: Only rows with this text.
        page: From 1 on; behind the last one, the last one.
        descending: Whether the order is turned round.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    q: _Text = ""
    page: int = Field(1, ge=1, le=1_000_000)
    descending: bool = False


class ClientQuery(Query):
    """Which clients.

    Attributes:
        gate: Only those with one of these gates; all if empty.
        state: Only those in one of these states; all if empty.
        zone: Only those in this zone; where clients are grouped, the group that is open.
        sort: The column; in the order of enrolment if empty.
        group: Whether zones are rows, and clients only those of the zone that is open.
    """

    gate: _Chosen = ()
    state: _Chosen = ()
    zone: _Text = ""
    sort: Literal[
        "", "client", "zone", "intensity", "gate", "state", "rounds", "share", "energy", "grams"
    ] = ""
    group: bool = False


class RoundQuery(Query):
    """Which rounds of a run; `q` is a number, or a part of the name of a client in the cohort."""

    sort: Literal["round", "took", "value", "energy", "grams", "baseline"] = "round"
    descending: bool = True


def page_of(rows: list[_Row], query: Query) -> tuple[list[_Row], dict[str, Any]]:
    """Return the rows of the page, and where it lies among all."""
    pages = max(1, -(-len(rows) // PAGE_ROWS))
    page = min(query.page, pages)
    first = (page - 1) * PAGE_ROWS
    return rows[first : first + PAGE_ROWS], {"page": page, "pages": pages, "found": len(rows)}


def in_order(
    rows: Iterable[_Row], key: Callable[[_Row], Sortable], *, descending: bool
) -> list[_Row]:
    """Return rows sorted by a column; those of which it is unknown come last either way."""
    keyed = [(key(row), row) for row in rows]
    known = [(value, row) for value, row in keyed if value is not None]
    known.sort(key=lambda each: natural(each[0]), reverse=descending)
    return [row for _, row in known] + [row for value, row in keyed if value is None]


def natural(value: str | float) -> tuple[tuple[int, float, str], ...]:
    """Return what sorts names as people do: site-2 before site-10."""
    if not isinstance(value, str):
        return ((0, value, ""),)
    parts = re.split(r"(\d+)", value.casefold())
    return tuple((0, float(part), "") if part.isdecimal() else (1, 0.0, part) for part in parts)


def counted(rows: Iterable[Mapping[str, Any]], name: str) -> dict[str, int]:
    """Return how many rows there are of each value of a column, by the value."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row[name]] = counts.get(row[name], 0) + 1
    return dict(sorted(counts.items()))
