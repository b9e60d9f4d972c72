"""The table of clients: one page of it, its chips, and its groups by zone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tasks.monitor.page.query import ClientQuery, Sortable, counted, in_order, page_of

Row = Mapping[str, Any]
"""A client as `scheduler.status.client_rows` describes it."""

_COLUMNS: Final[Mapping[str, Callable[[Row], Sortable]]] = {
    "client": lambda row: row["client"],
    "zone": lambda row: row["zone"],
    "intensity": lambda row: row["intensity"],
    "gate": lambda row: row["gate"],
    "state": lambda row: row["state"],
    "rounds": lambda row: row["rounds"],
    "share": lambda row: row["share"],
    "energy": lambda row: row["energy_wh"],
    "grams": lambda row: row["gco2eq"],
}

_NOT_SENT: Final = (
    "intensity",
    "reading",
    "signal",
    "blocker",
    "clock_ahead_s",
    "latency_s",
    "expected_wh",
    "idle_w",
)
"""The page has them with the client's zone, or does not show them."""

_SUMS: Final = ("energy_wh", "gco2eq")


_GROUP_COLUMNS: Final = {
    "intensity": "intensity",
    "share": "share",
    "energy": "energy_wh",
    "grams": "gco2eq",
    "gate": "open",
    "state": "training",
}
"""What zones are sorted by where they are rows; by name for any other column."""


def client_page(clients: Sequence[Row], query: ClientQuery) -> dict[str, Any]:
    """Return the rows that a query is about, by name and in order, and what its chips count.

    Each kind of chip counts what there would be if none of its kind were chosen.
    """
    wanted = query.q.casefold()
    inside = [
        row
        for row in clients
        if wanted in row["client"].casefold() or wanted in row["zone"].casefold()
    ]
    of_gate = [row for row in inside if not query.gate or row["gate"] in query.gate]
    of_state = [row for row in inside if not query.state or row["state"] in query.state]
    found = [row for row in of_gate if not query.state or row["state"] in query.state]
    listed = [row for row in found if row["zone"] == query.zone] if _narrow(query) else found
    if query.sort:
        listed = in_order(listed, _COLUMNS[query.sort], descending=query.descending)
    elif query.descending:
        listed = listed[::-1]
    rows, place = page_of(listed, query)
    return {
        **place,
        "all": len(clients),
        "training": sum(row["state"] == "training" for row in clients),
        "gates": _counts(clients, of_state, "gate"),
        "states": _counts(clients, of_gate, "state"),
        "groups": _groups(found, query) if query.group else None,
        "order": [row["client"] for row in rows],
        "rows": {row["client"]: _shown(row) for row in rows},
    }  # fmt: skip


def _share(rows: Sequence[Row]) -> float | None:
    """Return the share of clients together; `None` where the run has none."""
    known = [row["share"] for row in rows if row["share"] is not None]
    return sum(known) if known else None


def _counts(clients: Sequence[Row], rows: Sequence[Row], name: str) -> dict[str, int]:
    """Return how many rows have each value that any client has, so that chips stay in place."""
    return dict.fromkeys(counted(clients, name), 0) | counted(rows, name)


def _shown(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in row if name not in _NOT_SENT}


def _narrow(query: ClientQuery) -> bool:
    return query.group or bool(query.zone)


def _groups(found: Sequence[Row], query: ClientQuery) -> dict[str, Any]:
    """Return a row for each zone, in the order of the query as far as a zone has one."""
    zones: dict[str, list[Row]] = {}
    for row in found:
        zones.setdefault(row["zone"], []).append(row)
    groups = [
        {
            "zone": zone,
            "clients": len(rows),
            "open": sum(row["gate"].startswith("open") for row in rows),
            "training": sum(row["state"] == "training" for row in rows),
            "intensity": rows[0]["intensity"],
            "share": _share(rows),
            **{name: sum(row[name] for row in rows) for name in _SUMS},
        }
        for zone, rows in sorted(zones.items())
    ]
    key = _GROUP_COLUMNS.get(query.sort, "zone")
    turned = query.descending and query.sort != ""
    ordered = in_order(groups, lambda group: group[key], descending=turned)
    return {
        "order": [group["zone"] for group in ordered],
        "rows": {group.pop("zone"): group for group in groups},
    }  # fmt: skip
