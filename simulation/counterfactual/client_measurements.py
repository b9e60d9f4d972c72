"""Measurements of the clients of a run, from which they can be simulated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from statistics import median

from common.errors import FederationError
from scheduler.accounting.booking import Booking
from scheduler.federation.federation import Run
from scheduler.ledger.event import Event
from scheduler.ledger.events import UpdateAccepted, UpdateLate
from simulation.scenario.scenario import ClientPart

_S_PER_H = 3600
_SHORTEST_S = 1e-3
_LEAST_POWER_W = 1e-9
_LONGEST_WAY_S = 86_400

_ByClient = dict[str, list[float]]


class ClientMeasurements:
    """What each client's work used and took, one value a piece of work.

    Args:
        run: The run.
        bookings: Its work.
        updates: Its events of updates that counted, or came late.
        speed: Seconds of the grid clock in one of the wall clock.

    Raises:
        FederationError: If no work has measured energy.
    """

    def __init__(
        self, run: Run, bookings: Iterable[Booking], updates: Iterable[Event], *, speed: float
    ) -> None:
        self._s_per_example: _ByClient = defaultdict(list)
        self._wh_per_example: _ByClient = defaultdict(list)
        self._num_examples: _ByClient = defaultdict(list)
        self._way_s: _ByClient = defaultdict(list)
        self._failed: _ByClient = defaultdict(list)
        for booking in bookings:
            self._take(booking)
        for event in updates:
            kept = event.payload
            if isinstance(kept, UpdateAccepted | UpdateLate):
                self._way_s[event.client].append(_way_s(kept, event.grid_at, speed))
                asked = run.spec.hyperparameters
                counted: float = kept.work.examples / (asked.steps or asked.epochs)
                if isinstance(kept, UpdateAccepted):
                    counted = kept.admission.num_examples
                self._num_examples[event.client].append(counted)
        if not self._s_per_example:
            msg = (
                f"No work for {run.id} has measured energy, so other policies cannot be "
                "replayed. Let the sites measure: docs/energy.md."
            )
            raise FederationError(msg)

    def knows(self, client: str) -> bool:
        """Return whether any work of a client was measured."""
        return client in self._s_per_example

    def part(self, client: str, zone: str) -> ClientPart:
        """Return a client by its medians; by those of the others where it has none."""
        s_per_example = _typical(self._s_per_example, client)
        wh_per_example = _typical(self._wh_per_example, client)
        failed = self._failed.get(client, [])
        return ClientPart(
            zone=zone,
            power_w=max(wh_per_example / s_per_example * _S_PER_H, _LEAST_POWER_W),
            examples_per_s=1 / s_per_example,
            num_examples=max(1, round(_typical(self._num_examples, client))),
            latency_s=_typical(self._way_s, client),
            failure_rate=sum(failed) / len(failed) if failed else 0.0,
        )

    def _take(self, b: Booking) -> None:
        if b.energy_wh is None or b.started_at is None or b.ended_at is None:
            return
        self._failed[b.client].append(b.outcome == "failed")
        if b.examples and b.outcome != "failed":
            span_s = max((b.ended_at - b.started_at).total_seconds(), _SHORTEST_S)
            self._s_per_example[b.client].append(span_s / b.examples)
            self._wh_per_example[b.client].append(b.energy_wh / b.examples)


def _typical(values: _ByClient, client: str) -> float:
    return median(values.get(client) or [median(own) for own in values.values()])


def _way_s(kept: UpdateAccepted | UpdateLate, grid_at: datetime, speed: float) -> float:
    """Return how long a message was on its way, in seconds of the grid clock.

    Of an update that counts, the mean of both ways; of one that came late, the way back.
    """
    started, ended = kept.work.grid_started_at, kept.work.grid_ended_at
    way_s = (grid_at - ended).total_seconds()
    if isinstance(kept, UpdateAccepted):
        way_s = (kept.admission.latency_s * speed - (ended - started).total_seconds()) / 2
    return min(max(0.0, way_s), _LONGEST_WAY_S)
