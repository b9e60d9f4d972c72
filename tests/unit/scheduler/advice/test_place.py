"""A place says rank and median, of what both the client and a peer know."""

from scheduler.accounting.booking import Booking
from scheduler.advice.place import Place, find_places
from scheduler.advice.practice import practices
from tests.unit.scheduler.advice.cases import energy, work
from tests.unit.scheduler.story import NOON


def places(*bookings: Booking) -> dict[str, Place]:
    return {p.cause: p for p in find_places("north", practices(bookings, NOON))}


def test_each_cause_has_figure_rank_and_median():
    found = places(
        work("north", intensity=400.0, energy=energy(10.0, pue=1.5)),
        work("south", intensity=100.0, energy=energy(5.0, pue=1.1)),
        work("west", intensity=500.0, energy=energy(20.0, pue=1.3)),
    )
    grid = found["grid"]
    assert (grid.figure, grid.rank, grid.of, grid.peers_median) == (400.0, 2, 3, 300.0)
    assert grid.shown_median == "300 gCO2eq/kWh"
    # 10, 5 and 20 Wh for 1000 examples: 36, 18 and 72 J.
    joule = found["energy per example"]
    assert (joule.figure, joule.rank, joule.peers_median) == (36.0, 2, 45.0)
    pue = found["facility overhead (PUE)"]
    assert (pue.figure, pue.rank, pue.shown_median) == (1.5, 3, "1.20")


def test_equals_share_the_first_place():
    assert places(work("north"), work("south"))["grid"].rank == 1
    assert places(work("north", intensity=200.0), work("south", intensity=199.9))["grid"].rank == 1


def test_what_no_peer_knows_has_no_place():
    told = energy(10.0, idle_wh=5.0, idle_s=1.0)
    assert "waiting hardware" not in places(work("north", energy=told), work("south"))
    assert "waiting hardware" in places(work("north", energy=told), work("south", energy=told))
    assert places(work("north")) == {}
    assert places(work("south"), work("west")) == {}
