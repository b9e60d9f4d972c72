"""The Rounds page of a large federation in a real browser: 300 rounds, 60 clients, 29 zones."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from common.clock import GridClock, wall_now
from scheduler.federation.opening import open_ledger
from scheduler.ledger.event import Draft
from tasks.local.federation import LocalFederation
from tests.e2e import scenes
from tests.e2e.browser import Page, chromium, find_chromium
from tests.unit.scheduler.story import gate

pytestmark = pytest.mark.skipif(
    find_chromium() is None, reason="THE PAGE WAS NOT LOOKED AT: Chromium is not installed"
)

ROWS = "[...document.querySelectorAll('#clients tr:not(.group-row)')]"
NAMES = f"{ROWS}.map((row) => row.dataset.client).join(' ')"


class Large:
    """The page, and the home of the ledger that it shows."""

    def __init__(self, page: Page, base: str, home: Path) -> None:
        self.page, self.base, self.home = page, base, home

    def open(self, query: str = "") -> Page:
        """Go to the page, and wait until its first clients are there."""
        self.page.resize(width=1400, height=900)
        self.page.open("about:blank")
        self.page.open(f"{self.base}/rounds{query}")
        self.page.wait_for(f"document.readyState === 'complete' && {ROWS}.length > 0")
        return self.page

    def judge(self, client: str, state: str) -> None:
        """Let a gate change."""
        ledger = open_ledger(f"sqlite:///{self.home / 'ledger.sqlite'}", GridClock(), create=False)
        with ledger.transaction() as tx:
            payload = gate(state, intensity=412.0, since=wall_now()).to_payload()  # type: ignore[arg-type]
            tx.append(Draft(payload, client=client))
        ledger.close()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Large]:
    folder = tmp_path_factory.mktemp("large")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with LocalFederation(folder / "federation", {}) as federation:
        home = federation.folder / "home"
        scenes.long().put_into(home)
        federation.start_flower(port)
        base = f"http://127.0.0.1:{port}"
        federation.wait_for(lambda: _answers(base), 60, "Flower")
        with chromium(folder / "profile") as page:
            yield Large(page, base, home)


def _answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/rounds").status_code == HTTPStatus.OK
    except httpx.HTTPError:
        return False


def type_into(page: Page, name: str, text: str) -> None:
    page.evaluate(
        f"(() => {{ const field = document.getElementById({name!r}); field.value = {text!r};"
        " field.dispatchEvent(new Event('input')); })()"
    )


def click(page: Page, selector: str) -> None:
    page.evaluate(f"document.querySelector({selector!r}).click()")


def text_of(page: Page, name: str) -> str:
    return str(page.evaluate(f"document.getElementById({name!r}).innerText"))


def test_clients_come_page_by_page(large: Large) -> None:
    page = large.open()
    assert page.evaluate(f"{ROWS}.length") == 50
    assert text_of(page, "clients-pager-text") == "1\N{EN DASH}50 of 60"
    click(page, "#clients-pager-next")
    page.wait_for(f"{NAMES}.startsWith('site-50 ')")
    assert page.evaluate(f"{ROWS}.length") == 10
    assert page.complaints == []


def test_a_search_finds_a_client_among_all_pages(large: Large) -> None:
    page = large.open()
    type_into(page, "clients-search", "site-57")
    page.wait_for(f"{NAMES} === 'site-57'")
    assert "1 of 60 shown" in text_of(page, "clients-note")
    type_into(page, "clients-search", "no such client")
    page.wait_for("!document.getElementById('clients-none').hidden")
    click(page, "#clients-clear")
    page.wait_for(f"{ROWS}.length === 50")


def test_columns_sort_all_clients_and_say_so(large: Large) -> None:
    page = large.open()
    click(page, "[data-sort=intensity] .sort")
    page.wait_for("document.querySelector('[data-sort=intensity]').ariaSort === 'ascending'")
    chips = f"{ROWS}.map((row) => Number(row.querySelector('.chip').innerText))"
    page.wait_for(f"{chips}.every((value, i, all) => !i || all[i - 1] <= value)")
    click(page, "[data-sort=intensity] .sort")
    page.wait_for(f"{chips}.every((value, i, all) => !i || all[i - 1] >= value)")
    assert page.evaluate("document.querySelector('[data-sort=intensity]').ariaSort") == "descending"


def test_chips_filter_and_count(large: Large) -> None:
    page = large.open()
    shut = int(page.evaluate("document.querySelector('.filter[data-gate=closed] b').innerText"))
    assert 0 < shut < 60
    click(page, ".filter[data-gate=closed]")
    page.wait_for(f"document.getElementById('clients-note').innerText.startsWith('{shut} of 60')")
    gates = f"{ROWS}.every((row) => row.querySelector('.cell-gate').dataset.gate === 'closed')"
    assert page.evaluate(gates)
    assert page.evaluate("document.querySelector('.filter[data-state=idle] b').innerText") == "0"
    click(page, ".filter[data-gate=closed]")
    page.wait_for(f"{ROWS}.length === 50")


def test_zones_group_their_clients(large: Large) -> None:
    page = large.open()
    click(page, "#clients-group")
    page.wait_for("document.querySelectorAll('.group-row').length === 29")
    assert page.evaluate(f"{ROWS}.length") == 0
    click(page, ".group-row[data-zone=AT] .client-name")
    page.wait_for(f"{NAMES} === 'site-00 site-29 site-58'")
    opened = "document.querySelector('.group-row[data-zone=AT] .client-name').ariaExpanded"
    assert page.evaluate(opened) == "true"
    click(page, ".group-row[data-zone=AT] .client-name")
    page.wait_for(f"{ROWS}.length === 0")


def test_what_is_filtered_is_in_the_address_and_a_link_leads_to_it(large: Large) -> None:
    page = large.open()
    type_into(page, "clients-search", "site-1")
    page.wait_for(f"{ROWS}.length === 10")
    query = str(page.evaluate("location.search"))
    page = large.open(query)
    page.wait_for(f"{ROWS}.length === 10")
    assert page.evaluate("document.getElementById('clients-search').value") == "site-1"


def test_every_round_can_be_reached(large: Large) -> None:
    page = large.open()
    click(page, "#rounds-details summary")
    numbers = "[...document.querySelectorAll('#rounds-rows th')].map((each) => each.innerText)"
    page.wait_for(f"{numbers}.length === 50")
    assert page.evaluate(numbers)[:2] == ["300", "299"]
    assert text_of(page, "rounds-pager-text") == "1\N{EN DASH}50 of 300"
    click(page, "#rounds-head [data-sort=round] .sort")
    page.wait_for(f"{numbers}[0] === '1'")
    type_into(page, "rounds-search", "site-59")
    page.wait_for("document.getElementById('rounds-found').innerText === '25 of 300 rounds'")


def test_a_gate_that_changes_changes_its_row_alone(large: Large) -> None:
    page = large.open()
    type_into(page, "clients-search", "site-00")
    page.wait_for(f"{NAMES} === 'site-00'")
    page.evaluate(f"window.row = {ROWS}[0]")
    shown = f"{ROWS}[0].querySelector('.cell-gate').dataset.gate"
    before = str(page.evaluate(shown))
    after = "closed" if before == "open" else "open"
    large.judge("site-00", after)
    page.wait_for(f"{shown} === '{after}'")
    assert page.evaluate(f"window.row === {ROWS}[0]"), "the row was made anew"
    assert page.complaints == []


def test_nothing_is_cut_off_on_a_narrow_screen(large: Large) -> None:
    page = large.open()
    click(page, "#rounds-details summary")
    page.wait_for("document.querySelectorAll('#rounds-rows tr').length === 50")
    cut_off = (
        "[...document.querySelectorAll('.clients-table, .rounds-list, .table-tools, .pager')]"
        ".filter((each) => each.scrollWidth > each.clientWidth + 1"
        " || each.getBoundingClientRect().right > document.documentElement.clientWidth).length"
    )
    for width in (360, 768, 992, 1100, 1400):
        page.resize(width=width, height=900)
        assert page.evaluate(cut_off) == 0, width
