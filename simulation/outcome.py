"""The outcome of a simulation: what each round emitted and learned, and sums over all of it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache

from pydantic import ConfigDict, TypeAdapter

from scheduler.federation.applied_weight import AppliedWeight


def jain_index(counts: Sequence[int]) -> float:
    """Return Jain's index of participations: 1 if all took part equally often, 0 if none did.

    Jain, Chiu and Hawe, DEC-TR-301, 1984.
    """
    squares = sum(count * count for count in counts)
    return sum(counts) ** 2 / (len(counts) * squares) if squares else 0.0


_FINITE = ConfigDict(allow_inf_nan=False)
"""Of a figure that is read: what `to_json` writes."""


@dataclass(frozen=True, slots=True)
class RoundOutcome:
    """One closed round.

    Attributes:
        number: From 1.
        started_h: When it was planned, hours since the start of the run.
        ended_h: When it was closed, hours since the start of the run.
        invited: Number of invited clients, those that joined later included.
        cohort: Whose updates count.
        gco2eq: Emissions of the updates that count.
        energy_wh: Their energy.
        baseline_gco2eq: What the same work would have emitted at once; `None` if unknown.
        spent_gco2eq: All emissions of the run until the round was closed, counted or not.
        counted_gco2eq: Those of updates that count, this round's included.
        metrics: Of the version it made, as far as they are known of all that evaluated it.
        by_label: Its accuracy on each of the outcome's `labels`; empty if they are not known.
        by_site: The run's metric on each client's own test data; empty if they have none.
        idle_gco2eq: All emissions of reserved machines that waited, from the start of the run until
            the round was closed; `None` if unknown.
    """

    __pydantic_config__ = _FINITE

    number: int
    started_h: float
    ended_h: float
    invited: int
    cohort: tuple[str, ...]
    gco2eq: float
    energy_wh: float
    baseline_gco2eq: float | None
    spent_gco2eq: float
    counted_gco2eq: float
    metrics: Mapping[str, float]
    by_label: tuple[float, ...] = ()
    by_site: Mapping[str, float] = field(default_factory=dict)
    idle_gco2eq: float | None = 0.0

    @property
    def spent_with_idle_gco2eq(self) -> float | None:
        """All emissions until the round was closed, of work and of waiting; `None` if unknown."""
        return None if self.idle_gco2eq is None else self.spent_gco2eq + self.idle_gco2eq


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a simulated run came to.

    Attributes:
        scenario: Its name.
        policy: The selection policy.
        lower_is_better: Whether less of the run's metric is better.
        seed: What everything was drawn from.
        rounds: The closed rounds.
        end_reason: As in production: ``rounds``, ``hours`` or ``grams``.
        hours: How long the run took.
        energy_wh: All energy used, counted or not.
        gco2eq: All emissions, counted or not, late work after the end included.
        uncounted_wh: The part of the energy that is in no model.
        uncounted_gco2eq: The part of the emissions that is in no model.
        unreported: Pieces of work of unknown energy.
        participations: How many updates of each client count.
        applied: Whose examples made the versions; `None` if nothing counted.
        labels: The labels of the test data; empty if it is no classification.
        label_shares: By client, the share of each label in its examples.
        decisions: SHA-256 of all cohorts and their times: equal for equal decisions.
        version: SHA-256 of the last model, the name production gives the same model.
        batched: Whether all clients of a round trained at once; `None` if nothing was learned.
        reason: Why.
        wall_s: How long the simulation took; not compared.
        idle_wh: Energy of reserved machines that waited, from the start of the run to its end: of
            all that were there, also where no receipt reports it.
        idle_gco2eq: Its emissions by the grids of the hours waited; `None` if unknown.
    """

    __pydantic_config__ = _FINITE

    scenario: str
    policy: str
    lower_is_better: bool
    seed: int
    rounds: tuple[RoundOutcome, ...]
    end_reason: str
    hours: float
    energy_wh: float
    gco2eq: float
    uncounted_wh: float
    uncounted_gco2eq: float
    unreported: int
    participations: Mapping[str, int]
    applied: AppliedWeight | None
    labels: tuple[float, ...]
    label_shares: Mapping[str, tuple[float, ...]]
    decisions: str
    version: str
    batched: bool | None
    reason: str
    wall_s: float = field(compare=False)
    idle_wh: float = 0.0
    idle_gco2eq: float | None = 0.0

    @property
    def with_idle_wh(self) -> float:
        """All energy, of work and of waiting, Wh."""
        return self.energy_wh + self.idle_wh

    @property
    def with_idle_gco2eq(self) -> float | None:
        """All emissions, of work and of waiting; `None` if unknown."""
        return None if self.idle_gco2eq is None else self.gco2eq + self.idle_gco2eq

    def metric(self, name: str) -> float | None:
        """Return a metric of the last version that has it, `None` if none has."""
        values = [r.metrics[name] for r in self.rounds if name in r.metrics]
        return values[-1] if values else None

    def site_scores(self, round_: RoundOutcome) -> dict[str, float]:
        """Return what a version is worth to each client, where that is known.

        The metric on its own test data; else the accuracies on the labels of the common test data,
        weighted by the client's own shares.
        """
        if round_.by_site:
            return dict(round_.by_site)
        if not round_.by_label:
            return {}
        return {
            client: sum(s * a for s, a in zip(shares, round_.by_label, strict=True))
            for client, shares in self.label_shares.items()
        }

    @property
    def by_site(self) -> bool:
        """Whether clients have test data of their own, on which the run's metric is known."""
        return any(r.by_site for r in self.rounds)

    def worst_site(self) -> tuple[str, float] | None:
        """Return the client the last version serves worst, and its score; `None` if unknown."""
        scores = self.site_scores(self.rounds[-1]) if self.rounds else {}
        sign = self._sign(self.rounds[-1]) if self.rounds else 1
        return min(scores.items(), key=lambda item: (sign * item[1], item[0])) if scores else None

    def worst_score(self, round_: RoundOutcome) -> float | None:
        """Return what a version is worth to the client it serves worst; `None` if unknown."""
        scores = self.site_scores(round_).values()
        if not scores:
            return None
        return min(scores) if self._sign(round_) > 0 else max(scores)

    def _sign(self, round_: RoundOutcome) -> int:
        """Return -1 where less of what a version is worth to each client is better.

        The accuracy on labels is a share, whatever the metric.
        """
        return -1 if self.lower_is_better and round_.by_site else 1

    def grams_to(self, metric: str, target: float, *, lower: bool) -> float | None:
        """Return all emissions of work until a version first reached a target.

        `None` if none did. `lower` says that less of the metric is better.
        """
        reached = self.first_to(metric, target, lower=lower)
        return None if reached is None else reached.spent_gco2eq

    def grams_with_idle_to(self, metric: str, target: float, *, lower: bool) -> float | None:
        """Return the same with the emissions of waiting; `None` also if these are unknown."""
        reached = self.first_to(metric, target, lower=lower)
        return None if reached is None else reached.spent_with_idle_gco2eq

    def first_to(self, metric: str, target: float, *, lower: bool) -> RoundOutcome | None:
        """Return the round whose version first reached a target, `None` if none did."""
        sign = -1 if lower else 1
        return next(
            (r for r in self.rounds if sign * r.metrics.get(metric, math.nan) >= sign * target),
            None,
        )

    def jain(self) -> float:
        """Return Jain's index of the participations."""
        return jain_index(list(self.participations.values()))

    def forgetting(self) -> float | None:
        """Return by how much sites are served worse than they once were, in the mean.

        The mean over clients of their best score less their last: Chaudhry, Dokania, Ajanthan
        and Torr, "Riemannian Walk for Incremental Learning", ECCV 2018, with sites in place of
        tasks. `None` where accuracies of sites are unknown.
        """
        course = [
            {client: self._sign(r) * score for client, score in scores.items()}
            for r in self.rounds
            if (scores := self.site_scores(r))
        ]
        if not course:
            return None
        last = course[-1]
        drops = [max(scores[c] for scores in course) - last[c] for c in last]
        return sum(drops) / len(drops)

    def to_json(self) -> str:
        """Return the outcome as JSON text that `from_json` reads."""
        return json.dumps(asdict(self), separators=(",", ":"), allow_nan=False)

    @staticmethod
    def from_json(text: str | bytes) -> Outcome:
        """Return the outcome that `to_json` wrote.

        Raises:
            ValueError: If the text is no outcome.
        """
        return _reader().validate_json(text)


@cache
def _reader() -> TypeAdapter[Outcome]:
    return TypeAdapter(Outcome)
