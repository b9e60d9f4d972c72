"""A table of clients: columns for what ranks all of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property

import numpy as np
import numpy.typing as npt

from scheduler.carbon.signal import HOUR
from scheduler.federation.client import Client

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class ClientTable:
    """Clients of one instant, and their figures as columns of shape `(num_clients,)`.

    A column is made when it is first read, NaN where a figure is unknown: make a new table after
    clients have changed.
    """

    def __init__(self, clients: Iterable[Client]) -> None:
        self.clients = list(clients)

    def __len__(self) -> int:
        """Return how many clients there are."""
        return len(self.clients)

    @cached_property
    def ids(self) -> list[str]:
        """Their names."""
        return [client.id for client in self.clients]

    @cached_property
    def places(self) -> Mapping[str, int]:
        """By name, where a client stands in every column."""
        return {client: place for place, client in enumerate(self.ids)}

    def find(self, clients: Iterable[str]) -> list[int]:
        """Return the places of those clients that are in the table."""
        return [self.places[client] for client in clients if client in self.places]

    @cached_property
    def zones(self) -> tuple[str, ...]:
        """Every zone that occurs, each once."""
        return tuple(dict.fromkeys([client.zone for client in self.clients]))

    @cached_property
    def zone(self) -> Ints:
        """Of each client, its zone's place in `zones`."""
        place = {zone: n for n, zone in enumerate(self.zones)}
        return _ints([place[client.zone] for client in self.clients])

    def waited_h(self, now: datetime) -> Floats:
        """Return how many hours each has waited at `now`, on the grid clock."""
        return _floats([(now - (client.waiting_since or now)) / HOUR for client in self.clients])

    @cached_property
    def alive(self) -> Bools:
        """Whether its worker sends heartbeats."""
        return np.array([client.alive for client in self.clients], dtype=np.bool_)

    @cached_property
    def updates(self) -> Ints:
        """Counted updates."""
        return _ints([client.updates for client in self.clients])

    @cached_property
    def num_examples(self) -> Floats:
        """What it enrolled with, at most."""
        return _floats([client.num_examples for client in self.clients])

    @cached_property
    def energy_per_update_wh(self) -> Floats:
        """Energy of an update with all local epochs, Wh."""
        return _floats([client.energy_per_update_wh for client in self.clients])

    @cached_property
    def energy_per_example_j(self) -> Floats:
        """Energy per example trained on, J."""
        return _floats([client.energy_per_example_j for client in self.clients])

    @cached_property
    def idle_w(self) -> Floats:
        """What its reserved machine draws at the wall while it waits, W."""
        return _floats([client.idle_w for client in self.clients])

    @cached_property
    def latency_s(self) -> Floats:
        """Wall seconds from issue to acceptance."""
        return _floats([client.latency_s for client in self.clients])

    @cached_property
    def latency_spread_s(self) -> Floats:
        """Standard deviation of the latency, wall seconds."""
        return np.sqrt(_floats([client.latency_variance_s2 for client in self.clients]))

    @cached_property
    def utility(self) -> Floats:
        """Statistical utility of its updates, as Oort defines it."""
        return _floats([client.utility for client in self.clients])

    @cached_property
    def reliability(self) -> Floats:
        """Share of its settled assignments that it answered, from 0 to 1."""
        answered = _floats([client.answered for client in self.clients])
        settled = answered + _floats([client.unanswered for client in self.clients])
        return _share(answered, settled)

    @cached_property
    def idle_share(self) -> Floats:
        """Share of waiting hardware in all its energy, from 0 to 1."""
        all_totals = [client.totals for client in self.clients]
        if not any(totals.idle_known for totals in all_totals):
            return np.full(len(all_totals), np.nan)
        idle_wh = _floats([totals.idle_wh if totals.idle_known else None for totals in all_totals])
        return _share(idle_wh, idle_wh + _floats([totals.energy_wh for totals in all_totals]))


def _floats(figures: Sequence[float | None]) -> Floats:
    return np.array(figures, dtype=np.float64)


def _ints(figures: Sequence[int]) -> Ints:
    return np.array(figures, dtype=np.int64)


def _share(part: Floats, whole: Floats) -> Floats:
    share: Floats = np.full(part.shape, np.nan)
    np.divide(part, whole, out=share, where=whole > 0)
    return share
