"""A counterfactual: a run, and the same run replayed under other policies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.errors import FairwindError, SettingError
from scheduler.carbon.signal import HOUR
from scheduler.policies.policy import policy_options
from simulation.counterfactual.recorded_run import MOST_ASSUMED, RecordedRun
from simulation.grids.truth import Truth
from simulation.outcome import jain_index
from simulation.run import play
from simulation.scenario.scenario import ForecastPart, Scenario


@dataclass(frozen=True, slots=True)
class ReplayedFigures:
    """The figures of a run or of a replay.

    Attributes:
        rounds: Closed ones.
        hours: Until the last of them was closed.
        gco2eq: All emissions under the surest intensities, work that does not count included.
        energy_wh: All energy.
        participations: How many updates of each client count.
        assumed_hours: Pairs of zone and hour within for which the ledger holds no intensity.
        all_hours: All such pairs.
    """

    rounds: int
    hours: float
    gco2eq: float
    energy_wh: float
    participations: Mapping[str, int]
    assumed_hours: int
    all_hours: int

    @property
    def jain(self) -> float:
        """Jain's index of the participations."""
        return jain_index(list(self.participations.values()))

    @property
    def least_updates(self) -> int:
        """Updates of the client of which fewest count."""
        return min(self.participations.values(), default=0)


@dataclass(frozen=True, slots=True)
class Replay:
    """The replay of one policy; `figures` is `None` where unknown, and `why` the reason."""

    policy: str
    figures: ReplayedFigures | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """A run, its replay under its own policy, and under others.

    Attributes:
        past: The run.
        happened: Its figures.
        unknown_works: Pieces of its work whose emissions are unknown, and are left out.
        own: Its own policy replayed: the difference to `happened` is the error of a replay.
        others: In the given order.
        forecast: The forecast that policies read.
    """

    past: RecordedRun
    happened: ReplayedFigures
    unknown_works: int
    own: Replay
    others: tuple[Replay, ...]
    forecast: str

    @property
    def error(self) -> float | None:
        """By which share of the run's emissions the replay of the run's own policy emits more."""
        return self.against(self.own)

    def against(self, replay: Replay) -> float | None:
        """Return by which share of the run's emissions a replay emits more; `None` if unknown."""
        if replay.figures is None or not self.happened.gco2eq:
            return None
        return replay.figures.gco2eq / self.happened.gco2eq - 1


def replay_under(
    past: RecordedRun, policies: Sequence[str], forecast: ForecastPart
) -> Counterfactual:
    """Replay a recorded run under its own policy and under others, with the same seed.

    Raises:
        SettingError: If there is no such policy.
    """
    base, own = past.scenario.altered(forecast=forecast.model_dump()), past.run.spec.policy
    others = [policy for policy in dict.fromkeys(policies) if policy != own]
    variants = [_under(base, policy) for policy in others]
    unknown = sum(booking.settled_gco2eq is None for booking in past.bookings)
    return Counterfactual(
        past, _happened(past), unknown, _replay(past, base),
        tuple(_replay(past, variant) for variant in variants), forecast.mode,
    )  # fmt: skip


def _under(base: Scenario, policy: str) -> Scenario:
    policy_options(policy, {})
    return base.altered(run={"policy": policy, "policy_options": {}})


def _happened(past: RecordedRun) -> ReplayedFigures:
    run = past.run
    hours = (run.closed[-1].ended - run.grid_started_at) / HOUR
    counted = Counter(client for closed in run.closed for client in closed.cohort)
    assumed, all_ = past.assumed(hours)
    return ReplayedFigures(
        len(run.closed), hours,
        sum(booking.settled_gco2eq or 0.0 for booking in past.bookings),
        sum(booking.energy_wh or 0.0 for booking in past.bookings),
        {member.id: counted[member.id] for member in past.members}, assumed, all_,
    )  # fmt: skip


def _replay(past: RecordedRun, scenario: Scenario) -> Replay:
    truth, policy = Truth(past.signal, past.signal.zones()), scenario.run.policy
    try:
        outcome = play(
            scenario, past.sites(), truth, family=past.family, pauses=past.run.pauses
        )  # fmt: skip
        if not outcome.rounds:
            msg = f"{policy} closed no round within the budgets of {past.run.id}."
            raise SettingError(msg)
    except FairwindError as error:
        return Replay(policy, None, str(error))
    assumed, all_ = past.assumed(hours := outcome.rounds[-1].ended_h)
    if assumed > MOST_ASSUMED * all_:
        why = (
            f"{policy} would have gone on for {hours:.0f} h, and the ledger holds no carbon "
            f"intensity for {assumed} of the {all_} hours of its zones, more than a tenth."
        )
        return Replay(policy, None, why)
    return Replay(
        policy,
        ReplayedFigures(
            len(outcome.rounds), hours, outcome.gco2eq, outcome.energy_wh,
            outcome.participations, assumed, all_,
        ),
    )  # fmt: skip
