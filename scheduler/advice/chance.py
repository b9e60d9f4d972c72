"""How often a client was chosen, and how often its score would have been among the best.

Past rounds are judged again from what the ledger keeps of them: every client's verdict and the
figures behind every score. This counts how often the client's score was among the best of the
eligible, as many as the round had places. It is an estimate of how a client stands, and no policy's
choice: of those that ship only `score` goes by it, with chance; `fairwind` weighs the hours ahead
and whose turn it is, which a change to one client does not show.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from scheduler.advice.clean_hours import DayWindow
from scheduler.carbon.reading import Reading
from scheduler.carbon.week import week_of
from scheduler.federation.federation import Run
from scheduler.gate.gate import GateRule
from scheduler.gate.judge import ZoneJudge
from scheduler.selection.score import score_figures
from scheduler.selection.verdict_blob import VerdictRow, VerdictTable

ELIGIBLE = frozenset({"invited", "not_sampled", "over_budget"})
"""Verdicts of clients with an open gate and nothing else in the way."""

_NEXT_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PastVerdict:
    """The verdict of a plan on one client: its code, and the figures of its score."""

    client: str
    code: str
    figures: Mapping[str, float]

    @classmethod
    def of(cls, row: VerdictRow, names: Iterable[str]) -> Self:
        """Return what matters of a verdict here; `names` are those of its figures, in order."""
        figures = zip(names, row.figures, strict=True)
        return cls(row.client, row.code, {name: f for name, f in figures if f is not None})


@dataclass(frozen=True, slots=True)
class PlannedRound:
    """A planned round: when (grid clock), its places (`None`: for all), and all verdicts."""

    at: datetime
    places: int | None
    verdicts: tuple[PastVerdict, ...]
    weights: Mapping[str, float]

    @classmethod
    def planned(cls, run: Run, at: datetime, verdicts: VerdictTable) -> Self:
        """Return a round that a run planned at an instant of the grid clock."""
        spec = run.spec
        invites_all = spec.cohort is None or spec.policy == "all"
        return cls(
            at=at,
            places=None
            if invites_all
            else math.ceil((spec.cohort or 0) * (1 + spec.over_selection)),
            verdicts=tuple(PastVerdict.of(row, verdicts.weights) for row in verdicts.rows),
            weights=verdicts.weights,
        )

    def of(self, client: str) -> PastVerdict | None:
        """Return the verdict on one client, `None` if it was not enrolled then."""
        return next((v for v in self.verdicts if v.client == client), None)


@dataclass(frozen=True, slots=True)
class Chances:
    """In how many of so many past rounds a gate was open, a score good enough, a client drawn.

    `drawn` is `None` for what only would have been.
    """

    rounds: int
    open: int
    within: int
    drawn: int | None


@dataclass(frozen=True, slots=True)
class Shift:
    """Training moved to a window of the day, under the readings that were known then."""

    window: DayWindow
    past: Sequence[Reading]
    rule: GateRule

    def best(self, at: datetime) -> Reading | None:
        """Return the cleanest reading in the window in the 24 hours from `at` that opens a gate."""
        ahead = [r for r in self.past if at <= r.start < at + _NEXT_DAY]
        inside = [r for r in ahead if self.window.holds(r.start) and self._opens(r)]
        return min(inside, key=lambda r: r.gco2eq_per_kwh, default=None)

    def _opens(self, reading: Reading) -> bool:
        now = reading.start
        week = week_of(reading, self.past, now)
        judge = ZoneJudge(reading, week, rule=self.rule, now=now, patience_allowed=False)
        return judge.gate(None, waiting_since=now).is_open


def look_back(client: str, rounds: Iterable[PlannedRound]) -> Chances | None:
    """Return how often a client was eligible, good enough and drawn; `None` without any round."""
    judged = [(r, v) for r in rounds if (v := r.of(client)) is not None]
    if not judged:
        return None
    return Chances(
        rounds=len(judged),
        open=sum(v.code in ELIGIBLE for _, v in judged),
        within=sum(v.code in ELIGIBLE and _is_within(client, r, {}) for r, v in judged),
        drawn=sum(v.code == "invited" for _, v in judged),
    )


def would_have(
    client: str,
    rounds: Iterable[PlannedRound],
    *,
    effects: Mapping[str, float],
    shift: Shift | None = None,
) -> Chances | None:
    """Return how often a client would have been eligible and good enough after a change.

    Args:
        client: Whose chances.
        rounds: Past rounds.
        effects: By part of the score, the factor by which the change multiplies its figure.
        shift: The window that the client trains in, if that is the change; every round is then
            taken to have been held in the window's cleanest hour of the 24 hours that followed.
    """
    judged = [(r, v) for r in rounds if (v := r.of(client)) is not None]
    opened = within = 0
    for past, verdict in judged:
        factors = dict(effects)
        is_open = verdict.code in ELIGIBLE
        if shift is not None and (is_open or verdict.code == "gate_closed"):
            best = shift.best(past.at)
            now = next((r for r in shift.past if r.start <= past.at < r.end), None)
            is_open = best is not None
            if best is not None and now is not None and now.gco2eq_per_kwh > 0:
                factors["grams_per_update"] = best.gco2eq_per_kwh / now.gco2eq_per_kwh
        opened += is_open
        within += is_open and _is_within(client, past, factors)
    return Chances(len(judged), opened, within, None) if judged else None


def _is_within(client: str, past: PlannedRound, factors: Mapping[str, float]) -> bool:
    """Return whether a client's score is among the best of the eligible, its figures changed."""
    if past.places is None:
        return True
    figures = {
        name: [_changed(v, name, factors if v.client == client else {}) for v in past.verdicts]
        for name, weight in past.weights.items()
        if weight > 0
    }
    if not figures:
        return True
    scores: list[float] = score_figures(figures, past.weights).values.tolist()
    values = {v.client: score for v, score in zip(past.verdicts, scores, strict=True)}
    rivals = [v.client for v in past.verdicts if v.code in ELIGIBLE and v.client != client]
    return sum(values[rival] > values[client] for rival in rivals) < past.places


def _changed(verdict: PastVerdict, name: str, factors: Mapping[str, float]) -> float | None:
    figure = verdict.figures.get(name)
    return None if figure is None else figure * factors.get(name, 1.0)
