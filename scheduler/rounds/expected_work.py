"""A forecast's work and learning: sites answer as they usually do, and nothing is learned."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from statistics import median

from common.bounds import MOST_EXAMPLES
from common.clock import VirtualClock
from common.keys import blob_key
from common.messages import BlobRef, Energy, Receipt, Timings
from common.units import J_PER_WH
from scheduler.carbon.signal import HOUR, slot_start
from scheduler.federation.client import Client
from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.federation import Federation, Run
from scheduler.federation.round import AssignmentState, Round
from scheduler.ledger.event import Draft
from scheduler.rounds.world import Admitted, FirstVersion, LossCode, NextVersion

_NO_BYTES = 0


class ExpectedWork:
    """Sites that answer after their usual latency, with their usual energy.

    Args:
        state: The copy in which the forecast goes on.
        clock: Its time.
    """

    def __init__(self, state: Federation, clock: VirtualClock) -> None:
        self._state = state
        self._clock = clock
        self._heap: list[tuple[datetime, str, int, Receipt]] = []
        self._sent = count()

    def observe(self, state: Federation) -> list[Draft]:  # noqa: ARG002 - the port's
        """Return nothing: whether a client comes or goes cannot be foreseen."""
        return []

    def send(self, run: Run, clients: Sequence[str]) -> None:
        """Let these clients answer in their usual time."""
        round_ = run.open_round
        assert round_ is not None  # noqa: S101 - assignments are of open rounds
        usual_s = self._usual_s()
        for client in clients:
            part, known = round_.cohort[client], self._state.clients[client]
            ended = self._ended(part, known.latency_s or usual_s)
            receipt = self._receipt(run, part, ended=ended)
            at = max(self._clock.now, self._clock.grid_at(ended))
            # At the same instant by name, as in a simulation.
            heapq.heappush(self._heap, (at, client, next(self._sent), receipt))

    def send_missing(self, run: Run) -> None:
        """Do nothing: everything could be sent."""

    def lost(self, run: Run) -> dict[str, LossCode]:  # noqa: ARG002 - the port's
        """Return nobody: everything happens as planned."""
        return {}

    def has_unread(self) -> bool:
        """Return that what arrives is received at once."""
        return False

    def settled(self, receipt: Receipt) -> None:
        """Do nothing: no bytes travel."""

    @property
    def next_arrival(self) -> datetime | None:
        """When the next receipt arrives, on the grid clock."""
        return self._heap[0][0] if self._heap else None

    @property
    def next_change(self) -> None:
        """Nobody comes or goes."""
        return None

    def arrive(self) -> Receipt:
        """Return the receipt that arrives next."""
        return heapq.heappop(self._heap)[-1]

    def _usual_s(self) -> float | None:
        """Return the latency of a client without experience: the median of the others'."""
        known = [c.latency_s for c in self._state.clients.values() if c.latency_s is not None]
        return median(known) if known else None

    def _ended(self, part: AssignmentState, latency_s: float | None) -> datetime:
        """Return when an answer comes, wall clock; without any experience, with the hour's end."""
        if latency_s is not None:
            return part.issued_at + timedelta(seconds=latency_s)
        issued = self._clock.grid_at(part.issued_at)
        return self._clock.grid_clock.wall_at(slot_start(issued) + HOUR)

    def _receipt(self, run: Run, part: AssignmentState, *, ended: datetime) -> Receipt:
        client, asked = self._state.clients[part.client], run.spec.hyperparameters
        whole = asked.epochs
        usual_wh, share = client.energy_per_update_wh, (part.epochs or whole) / whole
        examples = _usual_examples(client, asked.steps or whole)
        energy = None
        if usual_wh is not None:
            energy = Energy(
                energy_wh=usual_wh * share, method="expected", quality="modelled", pue=1.0
            )
        key = blob_key("update", client.id, run.id, part.round)
        digest = hashlib.sha256(key.encode()).hexdigest()
        receipt = Receipt(
            run=run.id, round=part.round, client=client.id, attempt=part.attempt,
            outcome="trained", update=BlobRef(key=key, sha256=digest, nbytes=_NO_BYTES),
            num_examples=examples, num_steps=asked.expected_steps(examples, epochs=part.epochs),
            utility=client.utility, energy=energy,
            timings=Timings(train_s=client.train_s or 0.0),
            started_at=part.issued_at, ended_at=max(part.issued_at, ended), sent_at=ended,
            incarnation=part.incarnation or "",
        )  # fmt: skip
        return receipt.model_copy(update=_scored(run))


def _scored(run: Run) -> dict[str, object]:
    """Return what a receipt says of the pulled model: its figures cannot be foreseen."""
    if not _sites_evaluate(run):
        return {}
    named = {run.spec.metric, *([run.spec.goal.metric] if run.spec.goal else [])}
    found = {"metrics": dict.fromkeys(sorted(named)), "num_held_out": 1}
    if run.open_round is None or not run.open_round.evaluates:
        return found
    # What scoring alone takes of a site's usual energy is unknown.
    return found | {"outcome": "evaluated", "update": None, "num_examples": 0, "energy": None}


def _sites_evaluate(run: Run) -> bool:
    """Return whether sites will evaluate what they pull: as they did before, or are asked to."""
    if run.closed:
        return run.sites_evaluate and run.closed[-1].held_out is not None
    return run.spec.evaluators in ("sites", "both")


def _usual_examples(client: Client, passes: int) -> int:
    """Return on how many examples a client trains, by its energy where it has not said."""
    whole_wh, each_j, enrolled = (
        client.energy_per_update_wh, client.energy_per_example_j, client.num_examples
    )  # fmt: skip
    if whole_wh and each_j:
        usual = max(1, round(whole_wh * J_PER_WH / each_j / passes))
        return min(usual, MOST_EXAMPLES if enrolled is None else enrolled)
    return enrolled or 1


class NothingLearned:
    """Stands in for learning: versions keep their name, and every update is admitted."""

    def open(self, run: Run) -> FirstVersion:
        """Name a first version."""
        return FirstVersion(
            hashlib.sha256(run.id.encode()).hexdigest(), num_params=0,
            scored_here=run.spec.evaluators != "sites",
        )  # fmt: skip

    def pulled_nbytes(self, run: Run) -> int:  # noqa: ARG002 - the port's
        """Return 0: nothing is pulled."""
        return 0

    def most_frozen_nbytes(self, run: Run) -> int:  # noqa: ARG002 - the port's
        """Return 0: nothing is pulled."""
        return 0

    def admit(self, run: Run, receipt: Receipt) -> Admitted:  # noqa: ARG002 - the port's
        """Admit every update."""
        assert receipt.update is not None  # noqa: S101 - all of them train
        return Admitted(receipt.update.sha256, _NO_BYTES, norm=0.0)

    def make(self, run: Run, round_: Round) -> NextVersion:
        """Keep the version's name."""
        return NextVersion(round_.base_version, run.server_state)

    def withdraw(self, version: str) -> None:
        """Do nothing."""

    def check_in_flight(self, run: Run, version: str) -> None:
        """Do nothing."""

    def discard(self, names: Collection[str]) -> None:
        """Do nothing."""

    def score(self, run: Run, closed: ClosedRound) -> Mapping[str, float | None]:  # noqa: ARG002 - the port's
        """Return nothing: no score can be foreseen."""
        return {}

    def export(self, run: Run) -> None:
        """Do nothing."""
