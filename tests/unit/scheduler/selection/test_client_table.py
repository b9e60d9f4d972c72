"""A fleet's columns say what its clients say."""

import math

from hypothesis import given
from hypothesis import strategies as st

from scheduler.accounting.totals import Totals
from scheduler.federation.client import Client
from scheduler.selection.client_table import ClientTable
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
        totals=st.builds(
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
    assert fleet.clients == clients
    assert len(fleet) == len(clients)
    for name in COLUMNS:
        for figure, client in zip(getattr(fleet, name).tolist(), clients, strict=True):
            known = getattr(client, name)
            assert math.isnan(figure) if known is None else figure == known, name
    assert [fleet.zones[place] for place in fleet.zone] == [c.zone for c in clients]
    assert fleet.waited_h(NOON).tolist() == [
        (NOON - (c.waiting_since or NOON)) / HOUR for c in clients
    ]
    assert fleet.find(c.id for c in clients) == list(range(len(clients)))


def test_a_client_outside_the_table_is_not_found():
    fleet = ClientTable([Client("a", "FR"), Client("b", "DE")])
    assert fleet.find(["b", "x"]) == [1]


def test_a_column_stays_as_it_was_first_read():
    client = Client("a", "FR", updates=3)
    fleet = ClientTable([client])
    assert fleet.updates.tolist() == [3]
    client.updates = 4
    assert fleet.updates.tolist() == [3]
    assert ClientTable([client]).updates.tolist() == [4]
