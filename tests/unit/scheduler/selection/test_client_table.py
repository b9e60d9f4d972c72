"""A fleet's columns say what its clients say."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scheduler.accounting.totals import Totals
from scheduler.federation.client import Client
from scheduler.selection.client_table import ByZone, ClientTable, spread
from tests.unit.scheduler.story import HOUR, NOON

positive = st.floats(0.01, 99)
clients = st.lists(
    st.builds(
        Client,
        id=st.uuids().map(str),
        zone=st.sampled_from(["FR", "DE", "PL"]),
        num_examples=st.none() | st.integers(1, 99),
        alive=st.booleans(),
        waiting_since=st.none() | st.just(NOON - HOUR),
        updates=st.integers(0, 9),
        energy_per_update_wh=st.none() | positive,
        energy_per_example_j=st.none() | positive,
        latency_s=st.none() | positive,
        latency_variance_s2=st.none() | positive,
        utility=st.none() | positive,
        answered=st.integers(0, 3),
        unanswered=st.integers(0, 3),
        tally=st.builds(
            Totals, counted_wh=st.just(0.0) | positive, idle_wh=st.just(0.0) | positive,
            idle_known=st.integers(0, 1),
        ),
    ),
    unique_by=lambda client: client.id,
)  # fmt: skip

COLUMNS = (
    "num_examples", "alive", "updates", "energy_per_update_wh", "energy_per_example_j", "latency_s",
    "latency_spread_s", "utility", "reliability", "idle_share",
)  # fmt: skip


@given(clients=clients)
def test_every_column_is_the_clients_own_figure(clients):
    fleet = ClientTable(clients)
    assert list(fleet) == clients
    for name in COLUMNS:
        for figure, client in zip(getattr(fleet, name).tolist(), clients, strict=True):
            known = getattr(client, name)
            assert math.isnan(figure) if known is None else figure == known, name
    assert [fleet.zones[place] for place in fleet.zone] == [c.zone for c in clients]
    assert fleet.waited(NOON) == [NOON - (c.waiting_since or NOON) for c in clients]
    assert fleet.find(c.id for c in clients) == list(range(len(clients)))


def test_who_is_not_in_a_fleet_is_not_found():
    fleet = ClientTable([Client("a", "FR"), Client("b", "DE")])
    assert fleet.find(["b", "x"]) == [1]
    assert fleet[:1] == [Client("a", "FR")]
    assert ClientTable.of(fleet) is fleet


def test_a_column_stays_as_it_was_first_read():
    client = Client("a", "FR", updates=3)
    fleet = ClientTable([client])
    assert fleet.updates.tolist() == [3]
    client.updates = 4
    assert fleet.updates.tolist() == [3]
    assert ClientTable([client]).updates.tolist() == [4]


def test_what_is_told_of_a_zone_is_told_of_all_its_clients():
    fleet = ClientTable([Client("a", "FR"), Client("b", "DE"), Client("c", "FR")])
    told = ByZone(fleet, [1.0, 2.0])
    assert dict(told) == {"a": 1.0, "b": 2.0, "c": 1.0}
    assert spread(told, fleet) == ([1.0, 2.0], fleet.zone)
    rows, of = spread(dict(told), fleet)
    assert np.array(rows)[of].tolist() == [1.0, 2.0, 1.0]
