"""One page of the table of clients: search, chips, order, groups."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.monitor.page.clients import client_page
from tasks.monitor.page.query import PAGE_ROWS, ClientQuery


def client(name: str, zone: str = "FR", **fields: Any) -> dict[str, Any]:
    usual = {
        "intensity": 55.0, "gate": "open", "state": "idle", "why": "", "rounds": 1,
        "share": None, "energy_wh": 1.0, "gco2eq": 2.0,
    }  # fmt: skip
    return {"client": name, "zone": zone, **usual, **fields}


FOUR = [
    client("site-10", "DE", intensity=400.0, gate="closed", state="waiting"),
    client("site-2", gco2eq=9.0, state="training"),
    client("berlin", "DE", intensity=400.0, gate="closed", state="silent", gco2eq=0.5),
    client("site-1", "XX", intensity=None, gate="unknown", state="waiting"),
]


def order(**query: Any) -> list[str]:
    found: list[str] = client_page(FOUR, ClientQuery(**query))["order"]
    return found


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["site-10", "site-2", "berlin", "site-1"]),
        ({"sort": "client"}, ["berlin", "site-1", "site-2", "site-10"]),
        ({"sort": "grams", "descending": True}, ["site-2", "site-10", "site-1", "berlin"]),
        ({"sort": "intensity"}, ["site-2", "site-10", "berlin", "site-1"]),
        ({"sort": "intensity", "descending": True}, ["site-10", "berlin", "site-2", "site-1"]),
        ({"q": "SITE"}, ["site-10", "site-2", "site-1"]),
        ({"q": "de"}, ["site-10", "berlin"]),
        ({"gate": "closed,unknown"}, ["site-10", "berlin", "site-1"]),
        ({"gate": "closed", "state": "silent"}, ["berlin"]),
        ({"zone": "FR"}, ["site-2"]),
    ],
)
def test_clients_that_are_wanted_in_the_order_that_is_wanted(
    query: dict[str, Any], names: list[str]
) -> None:
    assert order(**query) == names


def test_a_chip_counts_what_choosing_it_would_show() -> None:
    page = client_page(FOUR, ClientQuery(gate=("closed",)))
    assert page["gates"] == {"closed": 2, "open": 1, "unknown": 1}
    assert page["states"] == {"silent": 1, "training": 0, "waiting": 1}
    assert (page["found"], page["all"], page["training"]) == (2, 4, 1)


def test_zones_are_rows_and_the_open_one_has_its_clients() -> None:
    page = client_page(FOUR, ClientQuery(group=True, zone="DE", sort="grams", descending=True))
    assert page["groups"]["order"] == ["FR", "DE", "XX"]
    assert page["groups"]["rows"]["DE"]["clients"] == 2
    assert page["groups"]["rows"]["DE"]["gco2eq"] == 2.5
    assert page["groups"]["rows"]["FR"]["training"] == 1
    assert page["order"] == ["site-10", "berlin"]


def test_a_page_behind_the_last_one_is_the_last_one() -> None:
    many = [client(f"site-{n}") for n in range(PAGE_ROWS + 1)]
    page = client_page(many, ClientQuery(page=7))
    assert (page["page"], page["pages"], page["order"]) == (2, 2, [f"site-{PAGE_ROWS}"])
