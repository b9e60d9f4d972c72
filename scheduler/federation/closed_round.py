"""A closed round: the version it made, from which updates, at what cost, and what it is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from scheduler.accounting.baseline import baseline_shift
from scheduler.accounting.booking import Booking
from scheduler.federation.round import Round
from scheduler.ledger.event import Event
from scheduler.ledger.events import (
    ControlTerms,
    Evaluation,
    ManifestLine,
    RobustFigures,
    RoundClosed,
)
from scheduler.policies.selection_context import PastUpdate


@dataclass(slots=True)
class ClosedRound:
    """A round that made a version. Times are on the grid clock unless named `wall`.

    `held_out` is the sites' evaluation of the version they pulled. `evaluation` is that of the
    version the round made; `at_sites` that of its sites, where the coordinator evaluates as well.
    `updates` is what policies remember of those who took part. `server_control` and
    `client_controls` name the control variates that it made. `robust` is how a robust rule used its
    updates.
    """

    number: int
    version: str
    cohort: tuple[str, ...]
    started: datetime
    ended: datetime
    wall_seconds: float
    energy_wh: float
    gco2eq: float
    baseline_gco2eq: float | None
    baseline_started: datetime
    baseline_ended: datetime
    fleet_gco2eq: float | None
    held_out: Evaluation | None
    phases: dict[str, float | None]
    updates: dict[str, PastUpdate]
    base_version: str
    server_state: str | None
    manifest: tuple[ManifestLine, ...]
    divisor: int | None = None
    total: int | None = None
    latest: tuple[ManifestLine, ...] = ()
    controls: ControlTerms | None = None
    server_control: str | None = None
    client_controls: dict[str, str] = field(default_factory=dict)
    robust: RobustFigures | None = None
    evaluation: Evaluation | None = None
    at_sites: Evaluation | None = None

    @property
    def metrics(self) -> Mapping[str, float | None] | None:
        """The figures of the version it made; `None` until it is evaluated."""
        return self.evaluation.metrics if self.evaluation else None

    @property
    def issued(self) -> dict[str, int]:
        """By client, the round that issued the assignment of its update."""
        return {line.client: line.issued for line in self.manifest}

    @property
    def staleness(self) -> float | None:
        """By how many versions its updates' bases were too old, on average; `None` without any."""
        ages = [self.number - line.issued for line in self.manifest]
        return sum(ages) / len(ages) if ages else None

    def baseline_shift(self, booking: Booking, *, is_async: bool) -> timedelta:
        """Return by how much a piece of its work is moved to where the baseline has it."""
        return baseline_shift(
            booking, self.number, self.started, self.baseline_started, is_async=is_async
        )

    def whole(self, metric: str) -> float | None:
        """Return the metric of its version if nobody who evaluated it left it out.

        Versions are ranked and compared by such values alone.
        """
        return self.evaluation.whole(metric) if self.evaluation else None

    @classmethod
    def from_event(cls, closed: RoundClosed, event: Event, open_round: Round) -> Self:
        """Rebuild from a ``round.closed`` event and the round it closed."""
        return cls(
            number=event.round,
            version=closed.version,
            cohort=tuple(sorted(open_round.accepted)),
            started=open_round.grid_planned_at,
            ended=event.grid_at,
            wall_seconds=(event.at - open_round.planned_at).total_seconds(),
            energy_wh=closed.energy_wh,
            gco2eq=closed.gco2eq,
            baseline_gco2eq=closed.baseline_gco2eq,
            baseline_started=closed.baseline_started,
            baseline_ended=closed.baseline_ended,
            fleet_gco2eq=closed.fleet_gco2eq,
            held_out=closed.held_out,
            phases=closed.phases,
            updates={
                client: PastUpdate(update.utility, update.latency_s, update.gco2eq)
                for client, update in open_round.accepted.items()
            },
            base_version=open_round.base_version,
            server_state=closed.server_state,
            manifest=open_round.manifest or (),
            divisor=open_round.divisor,
            total=open_round.total,
            latest=open_round.latest,
            controls=open_round.controls,
            server_control=closed.server_control,
            client_controls=closed.client_controls,
            robust=closed.robust,
        )
