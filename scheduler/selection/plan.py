"""A plan: the cohort of the next round, and the verdict on every client. Pure."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from random import Random
from statistics import median

import numpy as np

from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR
from scheduler.federation.client import Client
from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.closed_rounds import ClosedRounds
from scheduler.federation.problem import Problem
from scheduler.federation.round import Round
from scheduler.gate.gate import Gate
from scheduler.ledger.events import WaitReason
from scheduler.ledger.events.gate import State
from scheduler.ledger.run_spec import RunSpec
from scheduler.policies.candidate_table import Candidates, CandidateTable
from scheduler.policies.past_rounds import PastRound, PastRounds
from scheduler.policies.policy import apply_policy, policy_options
from scheduler.policies.reason import Because
from scheduler.policies.selection_context import SelectionContext
from scheduler.policies.selection_result import SelectionResult
from scheduler.selection.client_table import ClientTable, Floats, Ints
from scheduler.selection.eligibility import hold, part_code
from scheduler.selection.realised_weights import by_participation
from scheduler.selection.score import Scores, expected_gco2eqs, intensities, score_fleet
from scheduler.selection.verdict import VERDICTS, Verdict, Verdicts, why

__all__ = ["Plan", "Situation", "Verdict", "derive_seed", "places", "plan_round", "why"]

_PERMILLE = 1000


@dataclass(frozen=True, slots=True)
class Plan:
    """The cohort of a round, or the reason why the round waits.

    Attributes:
        cohort: The invited clients.
        target: How many updates the round aims at.
        verdicts: Those on all clients.
        waiting: Why the round waits; `None` if it starts.
        expected_gco2eq: Of the cohort's clients of which experience exists.
        epochs: Local epochs of the clients that do fewer than the run's.
        weights_permille: What the examples of each client count; empty if all count the same.
        because: Why the policy invites or waits, if it has a reason.
    """

    cohort: tuple[str, ...]
    target: int
    verdicts: Verdicts
    waiting: WaitReason | None
    expected_gco2eq: float
    epochs: Mapping[str, float] = field(default_factory=dict)
    weights_permille: Mapping[str, int] = field(default_factory=dict)
    because: Because = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Situation:
    """What a plan is made from, apart from the run: all of it as of one instant.

    Attributes:
        now: On the grid clock.
        wall_now: The same instant on the wall clock.
        clients: All enrolled clients.
        gates: By client id.
        readings: By client id, the reading of its zone now; `None` where that is unknown or of
            another family than the federation's.
        busy: Clients with an open assignment, of whichever run.
        problems: Of each client that had one, its newest problem in this run.
        spent_gco2eq: What the run has emitted so far.
        past: The run's closed rounds, oldest first.
        forecasts: By zone, intensities hour by hour, the running one first, as far as the policy
            wants to see and is known; gCO2eq/kWh.
        weights: How much each part of a score counts, as `score_weights` returns them.
        hours_left: Grid hours until the run's end; `None` if it has no such end.
        staggered: Clients whose start in this hour is still to come.
        counted: Clients of which a late update counts in the round that is planned.
    """

    now: datetime
    wall_now: datetime
    clients: Sequence[Client]
    gates: Mapping[str, Gate]
    readings: Mapping[str, Reading | None]
    busy: frozenset[str]
    problems: Mapping[str, Problem]
    spent_gco2eq: float
    past: ClosedRounds
    forecasts: Mapping[str, tuple[float, ...]]
    weights: Mapping[str, float]
    hours_left: float | None = None
    staggered: frozenset[str] = frozenset()
    counted: frozenset[str] = frozenset()


def places(spec: RunSpec, so_far: Round | None) -> int:
    """Return how many more clients an asynchronous run may invite now.

    Those that are out at its end would have trained for nothing: its last versions invite no more
    than they need.
    """
    assert spec.most_out is not None and spec.buffer is not None  # noqa: S101, PT018 - it is asynchronous
    out = len(so_far.open_assignments()) if so_far else 0
    free = spec.most_out - out
    if spec.rounds is not None:
        number, has = (so_far.number, len(so_far.accepted)) if so_far else (1, 0)
        free = min(free, spec.buffer * (spec.rounds - number + 1) - has - out)
    return max(0, free)


def plan_round(spec: RunSpec, situation: Situation, *, number: int, so_far: Round | None) -> Plan:
    """Plan round `number` of a run, or more clients for a round that is short of its quorum.

    In an asynchronous run, plan who begins now: any number of clients, at most as many as it has
    places.

    Args:
        spec: The run's.
        situation: The federation at this instant.
        number: The round's number, from 1.
        so_far: The open round that needs more clients; `None` for a new one.

    Returns:
        The plan. It is a pure function of the arguments: the draw is seeded by run and round.

    Raises:
        SettingError: If the run's policy cannot be found, or fails.
    """
    table = ClientTable(situation.clients)
    scores = score_fleet(table, situation.readings, situation.weights)
    usual_gco2eq = expected_gco2eqs(table, situation.readings)
    expected = usual_gco2eq.copy()
    codes = _codes(table, situation, so_far)
    codes[table.find(situation.counted)] = VERDICTS.index("in_round")
    # By id, so that the order in which clients enrolled decides nothing.
    eligible = sorted(np.flatnonzero(codes == _FREE).tolist(), key=table.ids.__getitem__)
    quorum, target = _aims(spec, len(eligible), so_far)
    waiting: WaitReason | None = None
    answer = SelectionResult(())
    if len(eligible) < quorum:
        waiting = "too_few"
    else:
        pool = _pool(table, eligible, situation, scores=scores, gco2eq=usual_gco2eq)
        wanted = min(len(eligible), math.ceil(target * (1 + spec.over_selection)))
        attempt = len(so_far.cohort) + len(so_far.accepted) * spec.is_async if so_far else 0
        context = SelectionContext(
            candidates=Candidates(pool),
            wanted=wanted, quorum=quorum, number=number, now=situation.now,
            rng=Random(derive_seed(spec.seed, spec.id, number, f"plan-{attempt}")),  # noqa: S311 - a draw, not a secret
            past=PastRounds(
                situation.past, partial(_past, is_async=spec.is_async),
                num_updates=situation.past.sums.rounds,
            ),
            num_clients=len(table), spent_gco2eq=situation.spent_gco2eq,
            grams=spec.grams, rounds_left=None if spec.rounds is None else spec.rounds - number + 1,
            # A round under way is not kept waiting for a better hour: its updates would grow old.
            hours_left=situation.hours_left if so_far is None or spec.is_async else None,
            buffer=spec.buffer, one_scale=spec.bias == "running",
            interval_h=_interval_h(spec, situation.now),
            epochs=spec.hyperparameters.epochs,
            options=policy_options(spec.policy, spec.policy_options),
        )  # fmt: skip
        answer = apply_policy(spec.policy, context)
        if spec.is_async and len(answer.cohort) > wanted:
            # Some policies invite everybody; a place is free for so many.
            drawn = context.rng.sample(sorted(answer.cohort), wanted)
            answer = replace(answer, cohort=drawn)
        if spec.bias == "realised":
            answer = by_participation(answer, situation.past.sums.rounds, len(table))
        if len(answer.cohort) < quorum:
            waiting = "policy_waits"
        else:
            codes[table.find(answer.cohort)] = _INVITED
            target = target if answer.target is None else answer.target
    if spec.buffer is not None:
        target = spec.buffer
    for client, epochs in answer.epochs.items():
        place = table.find([client])
        expected[place] = expected[place] * epochs / spec.hyperparameters.epochs
    verdicts = Verdicts(table.ids, codes, situation.gates, scores, expected, notes=answer.notes)
    remaining = None if spec.grams is None else spec.grams - situation.spent_gco2eq
    weighs = bool(answer.weights) if so_far is None else so_far.weighs
    weighs |= spec.is_async  # an assignment may outlive its round: all weights are on one scale
    return _within_budget(
        target, verdicts, waiting, remaining, answer, weighs=weighs, is_async=spec.is_async
    )


def plan_scoring(situation: Situation, closed: ClosedRound) -> Plan:
    """Plan which clients score a run's last version: those of its last cohort that may work now.

    For those that work for another run it waits an hour: a mean over other sites would be another
    score.

    Args:
        situation: The federation at this instant.
        closed: The round that made the version.
    """
    table = ClientTable(situation.clients)
    codes = _codes(table, situation, None)
    cohort = table.find(closed.cohort)
    invited = [place for place in cohort if codes[place] == _FREE]
    if situation.now < closed.ended + HOUR and any(codes[place] == _BUSY for place in cohort):
        invited = []
    codes[invited] = _INVITED
    unknown = np.full(len(table), np.nan)
    scores = score_fleet(table, situation.readings, situation.weights)
    verdicts = Verdicts(table.ids, codes, situation.gates, scores, unknown, notes={})
    waiting: WaitReason | None = None if invited else "too_few"
    names = tuple(table.ids[place] for place in invited)
    return Plan(names, len(names), verdicts, waiting, expected_gco2eq=0.0)


def _past(closed: ClosedRound, *, is_async: bool) -> PastRound:
    """Return a closed round as policies see it; the hours are those of its work, without waiting.

    A buffer fills as fast as its updates are made.
    """
    hours = (closed.ended - closed.started) / HOUR
    if is_async and closed.wall_seconds > 0 and closed.updates:
        usual_s = median(update.duration_s for update in closed.updates.values())
        hours = min(hours, hours * usual_s / closed.wall_seconds)
    return PastRound(closed.number, closed.started, closed.updates, hours)


def _pool(
    table: ClientTable,
    eligible: Sequence[int],
    situation: Situation,
    *,
    scores: Scores,
    gco2eq: Floats,
) -> CandidateTable:
    """Return the clients at these places as columns for a policy."""
    places = np.array(eligible, dtype=np.int64)
    occurring, first, zone = np.unique(table.zone[places], return_index=True, return_inverse=True)
    order = np.argsort(first)
    zones = tuple(table.zones[place] for place in occurring[order])
    ahead = [situation.forecasts.get(name, ()) for name in zones]
    forecasts = np.full((len(zones), max(map(len, ahead), default=0)), np.nan)
    for row, values in zip(forecasts, ahead, strict=True):
        row[: len(values)] = values
    columns: Mapping[str, Callable[[], Floats | Ints]] = {
        "score": lambda: scores.values,
        "updates": lambda: table.updates,
        "num_examples": lambda: table.num_examples,
        "utility": lambda: table.utility,
        "duration_s": lambda: table.latency_s,
        "energy_wh": lambda: table.energy_per_update_wh,
        "idle_w": lambda: table.idle_w,
        "gco2eq": lambda: gco2eq,
        "intensity_gco2eq_per_kwh": lambda: intensities(table, situation.readings),
        "waited_h": lambda: table.waited_h(situation.now),
    }
    return CandidateTable(
        [table.ids[place] for place in eligible],
        zones=zones, zone=np.argsort(order)[zone], forecasts=forecasts,
        make=lambda name: columns[name]()[places].astype(np.float64, copy=False),
    )  # fmt: skip


def _interval_h(spec: RunSpec, now: datetime) -> float:
    due = spec.due(now)
    return (spec.due(due) - due) / HOUR


def _aims(spec: RunSpec, eligible: int, so_far: Round | None) -> tuple[int, int]:
    """Return how many clients are needed at least, and how many are aimed at."""
    if spec.is_async:
        return 1, places(spec, so_far)
    if so_far is None:
        return spec.quorum, spec.cohort or eligible
    missing = spec.quorum - len(so_far.accepted)
    return 1, max(1, missing)


def _codes(table: ClientTable, situation: Situation, so_far: Round | None) -> Ints:
    """Return what keeps each client from training, or that nothing does, as places in `VERDICTS`.

    The last reason that applies counts.
    """
    gates = [situation.gates.get(client) for client in table.ids]
    codes = np.array([_OF_GATE[gate.state if gate else None] for gate in gates], dtype=np.int64)
    troubled = {c.id for c in table.clients if c.decline is not None} | situation.problems.keys()
    for place in table.find(troubled):
        client = table.clients[place]
        problem = situation.problems.get(client.id)
        held = hold(client, problem, now=situation.now, wall_now=situation.wall_now)
        codes[place] = codes[place] if held is None else VERDICTS.index(held)
    codes[table.find(situation.staggered)] = VERDICTS.index("staggered")
    codes[table.find(situation.busy)] = VERDICTS.index("busy")
    if so_far is not None:
        for place in table.find(so_far.cohort):
            code = part_code(so_far.cohort[table.ids[place]], situation.now)
            codes[place] = codes[place] if code is None else VERDICTS.index(code)
    codes[table.find(c.id for c in table.clients if c.paused)] = VERDICTS.index("paused")
    codes[~table.alive] = VERDICTS.index("silent")
    return codes


_FREE, _INVITED, _BUSY = (VERDICTS.index(code) for code in ("not_sampled", "invited", "busy"))

_OF_GATE: Mapping[State | None, int] = {
    "open": VERDICTS.index("not_sampled"),
    "open_by_patience": VERDICTS.index("not_sampled"),
    "closed": VERDICTS.index("gate_closed"),
    "unknown": VERDICTS.index("gate_unknown"),
    None: VERDICTS.index("gate_unknown"),
}
"""The verdict that a gate's state leads to; a client without a gate is `None`."""


def _within_budget(
    target: int,
    verdicts: Verdicts,
    waiting: WaitReason | None,
    remaining: float | None,
    answer: SelectionResult,
    *,
    weighs: bool,
    is_async: bool,
) -> Plan:
    invited = verdicts.coded("invited")
    grams = verdicts.expected_gco2eq[invited]
    expected = math.fsum(grams[~np.isnan(grams)])
    if remaining is not None and expected > remaining:
        verdicts.codes[invited] = VERDICTS.index("over_budget")
        return Plan((), target, verdicts, "over_budget", expected)
    cohort = tuple(verdicts.clients[place] for place in invited)
    permille = {c: round(answer.weights.get(c, 1.0) * _PERMILLE) for c in cohort}
    return Plan(
        cohort, target if is_async else min(target, len(cohort)), verdicts, waiting, expected,
        epochs={c: answer.epochs[c] for c in cohort if c in answer.epochs},
        weights_permille=permille if weighs else {},
        because=answer.because,
    )  # fmt: skip


def derive_seed(run_seed: int, run: str, number: int, subject: str) -> int:
    """Return a seed that depends on the run, the round and the subject alone, below 2**63."""
    text = f"{run_seed}/{run}/{number}/{subject}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
