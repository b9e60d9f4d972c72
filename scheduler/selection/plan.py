"""A plan: the cohort of the next round, and the verdict on every client. Pure."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

import numpy as np

from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR
from scheduler.federation.client import Client
from scheduler.federation.round import ClosedRound, Round
from scheduler.gate.gate import Gate
from scheduler.ledger.events import WaitReason
from scheduler.ledger.events.gate import State
from scheduler.ledger.run_spec import RunSpec
from scheduler.policies.candidate_table import Candidates, CandidateTable
from scheduler.policies.policy import apply_policy, policy_options
from scheduler.policies.reason import Because
from scheduler.policies.selection_context import PastRound, SelectionContext
from scheduler.policies.selection_result import WEIGHT_SPAN, SelectionResult
from scheduler.selection.client_table import ClientTable, Floats, Ints
from scheduler.selection.eligibility import MAX_FAILURES, declines, part_code
from scheduler.selection.score import intensities, score_fleet
from scheduler.selection.verdict import VERDICTS, Verdict, Verdicts, why

__all__ = ["Plan", "Situation", "Verdict", "derive_seed", "plan_round", "why"]

_PERMILLE = 1000

MAX_WEIGHT_PERMILLE = round(WEIGHT_SPAN * _PERMILLE)
"""No weight of a plan is greater: the grid on which updates are summed leaves room for it."""


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
    epochs: Mapping[str, int] = field(default_factory=dict)
    weights_permille: Mapping[str, int] = field(default_factory=dict)
    because: Because = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Situation:
    """What a plan is made from, apart from the run: all of it as of one instant.

    Attributes:
        now: On the grid clock.
        clients: All enrolled clients.
        gates: By client id.
        readings: By client id, the reading of its zone now; `None` where that is unknown or of
            another family than the federation's.
        busy: Clients with an open assignment, of whichever run.
        failures: Consecutive failures in this run, by client id.
        too_long: Clients whose site stopped a training of this run, because it took too long.
        spent_gco2eq: What the run has emitted so far.
        past: The run's closed rounds, oldest first.
        forecasts: By zone, intensities hour by hour, the running one first, as far as the policy
            wants to see and is known; gCO2eq/kWh.
        weights: How much each part of a score counts, as `score_weights` returns them.
        hours_left: Grid hours until the run's end; `None` if it has no such end.
    """

    now: datetime
    clients: Sequence[Client]
    gates: Mapping[str, Gate]
    readings: Mapping[str, Reading | None]
    busy: frozenset[str]
    failures: Mapping[str, int]
    spent_gco2eq: float
    past: Sequence[ClosedRound]
    forecasts: Mapping[str, tuple[float, ...]]
    weights: Mapping[str, float]
    hours_left: float | None = None
    too_long: Collection[str] = frozenset()


def plan_round(spec: RunSpec, situation: Situation, *, number: int, so_far: Round | None) -> Plan:
    """Plan round `number` of a run, or more clients for a round that is short of its quorum.

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
    expected = np.array(scores.figures["grams_per_update"], dtype=np.float64)
    codes = _codes(table, situation, so_far)
    # By id, so that the order in which clients enrolled decides nothing.
    eligible = sorted(np.flatnonzero(codes == _FREE).tolist(), key=table.ids.__getitem__)
    quorum, target = _aims(spec, len(eligible), so_far)
    waiting: WaitReason | None = None
    answer = SelectionResult(())
    if len(eligible) < quorum:
        waiting = "too_few"
    else:
        pool = _pool(table, eligible, situation, score=scores.values, gco2eq=expected)
        wanted = min(len(eligible), math.ceil(target * (1 + spec.over_selection)))
        attempt = len(so_far.cohort) if so_far else 0
        context = SelectionContext(
            candidates=Candidates(pool),
            wanted=wanted, quorum=quorum, number=number, now=situation.now,
            rng=Random(derive_seed(spec.seed, spec.id, number, f"plan-{attempt}")),  # noqa: S311 - a draw, not a secret
            past=[_past(closed) for closed in situation.past],
            num_clients=len(table), spent_gco2eq=situation.spent_gco2eq,
            grams=spec.grams, rounds_left=None if spec.rounds is None else spec.rounds - number + 1,
            # A round under way is not kept waiting for a better hour: its updates would grow old.
            hours_left=situation.hours_left if so_far is None else None,
            interval_h=_interval_h(spec, situation.now),
            epochs=spec.hyperparameters.epochs,
            options=policy_options(spec.policy, spec.policy_options),
        )  # fmt: skip
        answer = apply_policy(spec.policy, context)
        if len(answer.cohort) < quorum:
            waiting = "policy_waits"
        else:
            codes[table.find(answer.cohort)] = _INVITED
            target = target if answer.target is None else answer.target
    for client, epochs in answer.epochs.items():
        place = table.find([client])
        expected[place] = expected[place] * epochs / spec.hyperparameters.epochs
    verdicts = Verdicts(table.ids, codes, situation.gates, scores, expected, notes=answer.notes)
    remaining = None if spec.grams is None else spec.grams - situation.spent_gco2eq
    weighs = bool(answer.weights) if so_far is None else so_far.weighs
    return _within_budget(target, verdicts, waiting, remaining, answer, weighs=weighs)


def plan_scoring(situation: Situation, cohort: Collection[str]) -> Plan:
    """Plan which clients score a run's last version: those of its last cohort that may work now.

    Args:
        situation: The federation at this instant.
        cohort: The clients whose updates made the version.
    """
    table = ClientTable(situation.clients)
    codes = _codes(table, situation, None)
    asked = [place for place in table.find(cohort) if codes[place] == _FREE]
    codes[asked] = _INVITED
    unknown = np.full(len(table), np.nan)
    scores = score_fleet(table, situation.readings, situation.weights)
    verdicts = Verdicts(table.ids, codes, situation.gates, scores, unknown, notes={})
    invited = tuple(table.ids[place] for place in asked)
    waiting: WaitReason | None = None if invited else "too_few"
    return Plan(invited, len(invited), verdicts, waiting, expected_gco2eq=0.0)


def _past(closed: ClosedRound) -> PastRound:
    """Return a closed round as policies see it."""
    hours = (closed.ended - closed.started) / HOUR
    return PastRound(closed.number, closed.started, closed.updates, hours)


def _pool(
    table: ClientTable,
    eligible: Sequence[int],
    situation: Situation,
    *,
    score: Floats,
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
    waited = table.waited(situation.now)
    waited_h = [waited[place] / HOUR for place in eligible]
    return CandidateTable(
        clients=[table.ids[place] for place in eligible],
        zones=zones, zone=np.argsort(order)[zone],
        score=score[places], updates=table.updates[places],
        num_examples=table.num_examples[places], utility=table.utility[places],
        duration_s=table.latency_s[places], energy_wh=table.energy_per_update_wh[places],
        gco2eq=gco2eq[places],
        intensity_gco2eq_per_kwh=intensities(table, situation.readings)[places],
        waited_h=np.array(waited_h, dtype=np.float64), forecasts=forecasts,
    )  # fmt: skip


def _interval_h(spec: RunSpec, now: datetime) -> float:
    due = spec.due(now)
    return (spec.due(due) - due) / HOUR


def _aims(spec: RunSpec, eligible: int, so_far: Round | None) -> tuple[int, int]:
    """Return how many clients are needed at least, and how many are aimed at."""
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
    failing = [c for c, failed in situation.failures.items() if failed >= MAX_FAILURES]
    codes[table.find(failing)] = VERDICTS.index("failing")
    codes[table.find(situation.too_long)] = VERDICTS.index("too_long")
    codes[table.find(situation.busy)] = VERDICTS.index("busy")
    if so_far is not None:
        for place in table.find(so_far.cohort):
            client = table.clients[place]
            code = part_code(client, so_far.cohort[client.id], so_far, situation.now)
            codes[place] = codes[place] if code is None else VERDICTS.index(code)
    declining = [c.id for c in table.clients if declines(c, situation.now)]
    codes[table.find(declining)] = VERDICTS.index("declined")
    codes[table.find(c.id for c in table.clients if c.paused)] = VERDICTS.index("paused")
    codes[~table.alive] = VERDICTS.index("silent")
    return codes


_FREE, _INVITED = VERDICTS.index("not_sampled"), VERDICTS.index("invited")

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
        cohort, min(target, len(cohort)), verdicts, waiting, expected,
        epochs={c: answer.epochs[c] for c in cohort if c in answer.epochs},
        weights_permille=permille if weighs else {},
        because=answer.because,
    )  # fmt: skip


def derive_seed(run_seed: int, run: str, number: int, subject: str) -> int:
    """Return a seed that depends on the run, the round and the subject alone, below 2**63."""
    text = f"{run_seed}/{run}/{number}/{subject}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
