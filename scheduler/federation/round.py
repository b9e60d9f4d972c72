"""A round: one version, the clients invited to improve it, and what became of each invitation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from common.messages import Heartbeat, MemoryRef, Reason
from scheduler.federation.accepted import Accepted, Evaluated
from scheduler.federation.client import Client
from scheduler.ledger.event import Event
from scheduler.ledger.events import (
    Because,
    ControlTerms,
    ManifestLine,
    RoundPlanned,
)

_GRACE = timedelta(seconds=2)
"""How much later than the issue a heartbeat must arrive for its silence on it to count."""

UNANSWERED = ("open", "given_up", "undelivered")
"""The statuses of an assignment that a receipt may still answer."""


@dataclass(slots=True)
class AssignmentState:
    """One client's part in the round.

    `status` is ``open`` until it is ``accepted``, ``declined`` (by the site), ``failed`` (there),
    ``refused`` (here), ``evaluated`` (it scored the pulled model), ``given_up``, or
    ``undelivered`` (lost between coordinator and site, by no fault of the site). `invited_at` is
    when it was first issued in this round, `issued_at` when it was last, both on the wall clock;
    `incarnation` is the worker that was alive then, `zone` its client's. `valid_until` is until
    when it was to begin as it was invited last, on the grid clock. `round` is the one it was issued
    in, and `base_version` the version it trains from: it may outlive that round.
    `memory` names the state that its site is to start from.
    `place` is its client's in the order of enrolment.
    `epochs` is set where it is to do fewer than the run asks for,
    `weight_permille` where the policy weighs its examples. `lost` counts how often it was lost at
    the site since its client was invited, `undelivered` how often on the way. `update_lost` says
    that it counted once, and its bytes were lost at the coordinator. `allowed_again` says that its
    site declined, and has another policy since.
    """

    client: str
    attempt: int
    issued_at: datetime
    incarnation: str | None
    zone: str
    invited_at: datetime
    valid_until: datetime
    round: int
    base_version: str
    status: str = "open"
    reason: Reason | None = None
    epochs: float | None = None
    weight_permille: int | None = None
    memory: MemoryRef | None = None
    place: int = 0
    lost: int = 0
    undelivered: int = 0
    update_lost: bool = False
    allowed_again: bool = False

    @property
    def answer_from(self) -> datetime:
        """From when its own deadline runs, wall clock: its last issue if its update was lost."""
        return self.issued_at if self.update_lost else self.invited_at

    def weight(self, num_examples: int) -> int:
        """Return what so many examples of this client count in the aggregate."""
        return num_examples * (1 if self.weight_permille is None else self.weight_permille)


@dataclass(slots=True)
class Round:
    """The open round of a run. `deadline` is on the wall clock, `valid_until` on the grid clock.

    `evaluates` says that its cohort trains nothing and only scores the run's last version.
    `because` is why the run's policy invited those it invited last, where it said so.
    `manifest` is set once the round is committed, with the `divisor` of its sum, and the `total` of
    its weights where that is a running one: from then on nothing more is counted. `controls` goes
    with it where the run has control variates.

    In an asynchronous run it is the buffer of the next version. Clients are invited one by one, and
    assignments that are out when it closes move into the cohort of the next one; so do the `early`
    updates, which came once it was committed. So it is where a run counts late updates: then the
    next round is `pending` until it is planned.
    """

    number: int
    base_version: str
    planned_at: datetime
    grid_planned_at: datetime
    target: int
    deadline: datetime
    valid_until: datetime
    cohort: dict[str, AssignmentState] = field(default_factory=dict)
    accepted: dict[str, Accepted] = field(default_factory=dict)
    early: dict[str, Accepted] = field(default_factory=dict)
    evaluates: bool = False
    evaluated: dict[str, Evaluated] = field(default_factory=dict)
    manifest: tuple[ManifestLine, ...] | None = None
    divisor: int | None = None
    total: int | None = None
    latest: tuple[ManifestLine, ...] = ()
    controls: ControlTerms | None = None
    pending: bool = False
    because: Because = field(default_factory=dict)

    @classmethod
    def planned(cls, planned: RoundPlanned, event: Event) -> Self:
        """Open the round that a first ``round.planned`` event describes."""
        return cls(
            number=event.round,
            base_version=planned.base_version,
            planned_at=event.at,
            grid_planned_at=event.grid_at,
            target=planned.target,
            deadline=event.at,
            valid_until=event.grid_at,
            evaluates=planned.evaluates,
        )

    @classmethod
    def following(
        cls, before: Round, version: str, event: Event, *, most_stale: int, pending: bool
    ) -> Self:
        """Open the round after one that has just made a version, with what is still out.

        Args:
            before: The one that the event closes.
            version: That it made.
            event: Its ``round.closed`` event.
            most_stale: An assignment on an older version moves over no more.
            pending: Whether it begins only once it is planned.
        """
        number = before.number + 1
        return cls(
            number=number, base_version=version, planned_at=event.at,
            grid_planned_at=event.grid_at, target=before.target, deadline=before.deadline,
            valid_until=before.valid_until, accepted=before.early, pending=pending,
            cohort={
                part.client: part
                for part in before.cohort.values()
                if part.client in before.early
                or (part.status in UNANSWERED and number - part.round <= most_stale)
            },
        )  # fmt: skip

    def begin(self, planned: RoundPlanned, event: Event) -> None:
        """Begin, where it was pending, as a first ``round.planned`` event says."""
        self.pending, self.evaluates = False, planned.evaluates
        self.planned_at, self.grid_planned_at = event.at, event.grid_at
        # Updates that are there already come on top: no straggler is left behind for them.
        self.target = planned.target + len(self.accepted)

    def invite(
        self,
        planned: RoundPlanned,
        event: Event,
        clients: dict[str, Client],
        *,
        memory: Mapping[str, MemoryRef],
    ) -> None:
        """Add the cohort of a ``round.planned`` event, and set deadline and validity anew."""
        self.deadline = event.at + timedelta(seconds=planned.deadline_s)
        self.valid_until = planned.valid_until
        self.because = planned.because
        for name in planned.cohort:
            before = self.cohort.get(name)
            if before is not None and before.round < self.number:
                before = None  # it was of another assignment
            attempt = before.attempt + 1 if before else 0
            self.cohort[name] = AssignmentState(
                name, attempt, event.at, clients[name].incarnation, clients[name].zone,
                before.invited_at if before else event.at, planned.valid_until,
                self.number, self.base_version,
                epochs=planned.epochs.get(name), weight_permille=planned.weights_permille.get(name),
                memory=memory.get(name), place=clients[name].place,
            )  # fmt: skip

    @property
    def weighs(self) -> bool:
        """Whether examples count by what the policy says of their client."""
        return any(part.weight_permille is not None for part in self.cohort.values())

    def part(self, client: str, issued: int) -> AssignmentState | None:
        """Return a client's part, if its assignment is the one that a round issued."""
        part = self.cohort.get(client)
        return part if part is not None and part.round == issued else None

    def counted(self, client: str, issued: int) -> Accepted | None:
        """Return the update of the assignment that a round issued to a client, if it counts."""
        for accepted in (self.accepted.get(client), self.early.get(client)):
            if accepted is not None and accepted.issued == issued:
                return accepted
        return None

    def count(self, client: str, accepted: Accepted) -> None:
        """Take in an update; one that comes after the manifest was fixed is early for the next."""
        (self.accepted if self.manifest is None else self.early)[client] = accepted

    def take_back(self, client: str) -> None:
        """Take out an update that was lost, and withdraw the manifest: all others count on."""
        self.accepted |= self.early
        del self.accepted[client]
        self.early, self.manifest, self.latest = {}, None, ()
        self.divisor = self.total = None
        self.controls = None

    def open_assignments(self) -> list[AssignmentState]:
        """Return the invitations nobody has answered yet."""
        return [state for state in self.cohort.values() if state.status == "open"]

    @property
    def is_answered(self) -> bool:
        """Whether no assignment is open; found without listing them, as it is read often."""
        return all(state.status != "open" for state in self.cohort.values())

    def complete(self, quorum: int, now: datetime, clients: dict[str, Client]) -> bool:
        """Return whether the round can be committed: nothing worth waiting for is outstanding.

        That is so when the target is met; or when the quorum is met and everybody still out is
        silent, or the deadline (wall clock) has passed.
        """
        if len(self.accepted) >= self.target:
            return True
        if len(self.accepted) < quorum and not self.evaluates:
            return False
        return now >= self.deadline or not any(
            state.status == "open" and clients[state.client].alive for state in self.cohort.values()
        )

    def hopeful(self, alive: set[str]) -> bool:
        """Return whether someone alive is still expected to answer."""
        return any(state.client in alive for state in self.open_assignments())


def lost(
    part: AssignmentState, beat: Heartbeat, name: str, *, age: timedelta, now: datetime
) -> bool:
    """Return whether an open assignment seems to have been lost on its way there or back.

    The client lives, its last heartbeat arrived well after the assignment was issued, and it works
    on something else or on nothing. The caller adds that no queue holds it. A wrong guess does no
    harm: the site answers a repeated assignment from its outbox.

    Args:
        part: The client's part in the round.
        beat: What the client's worker said last.
        name: The assignment as heartbeats name it, ``run/round``, of the round that issued it.
        age: How long ago that arrived: what the site's clock shows decides nothing.
        now: On the coordinator's clock. Before the issue, if that was set back: then nothing is
            known, and the heartbeat counts.
    """
    is_news = now - age > part.issued_at + _GRACE or now < part.issued_at
    return is_news and beat.busy != name
