"""A plan: who trains in the next round, who does not, and why: a pure function of values."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random
from typing import Any

from common.units import show_mass
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR
from scheduler.client import Client
from scheduler.gate import Gate
from scheduler.gate_sentence import explain
from scheduler.policies import ask, policy_options
from scheduler.policies.answer import WEIGHT_SPAN, Answer, Because
from scheduler.policies.question import Candidate, PastRound, Question
from scheduler.round import AssignmentState, ClosedRound, Round
from scheduler.run import RunSpec
from scheduler.score import Score, expected_gco2eq, score_clients

MAX_FAILURES = 3
"""A client whose last three assignments of a run failed is left out until its worker restarts."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why one client is or is not invited: a code, its gate, its score and the grams expected.

    `note` is what the policy's choice rested on, where it says so.

    Codes: ``invited``, ``not_sampled``, ``gate_closed``, ``gate_unknown``, ``silent``, ``busy``,
    ``failing``, ``failed``, ``declined``, ``in_round``, ``over_budget``.
    """

    client: str
    code: str
    gate: Gate | None
    score: Score | None
    expected_gco2eq: float | None
    note: Because = field(default_factory=dict)

    @property
    def invited(self) -> bool:
        """Whether the client gets a task."""
        return self.code == "invited"


_PERMILLE = 1000

MAX_WEIGHT_PERMILLE = round(WEIGHT_SPAN * _PERMILLE)
"""No weight of a plan is greater: the grid on which updates are summed leaves room for it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The cohort of a round, or nobody and the reason why the round waits.

    Attributes:
        cohort: Who is invited.
        target: How many updates the round aims at.
        verdicts: Everybody's.
        waiting: Why nobody is invited; `None` if somebody is.
        expected_gco2eq: Of the cohort's clients of which experience exists.
        epochs: Local epochs of those who are to do fewer than the run asks for.
        weights_permille: What the examples of each of the cohort count; empty if all count alike.
        because: Why the policy invites or waits, where it says so.
    """

    cohort: tuple[str, ...]
    target: int
    verdicts: tuple[Verdict, ...]
    waiting: str | None
    expected_gco2eq: float
    epochs: Mapping[str, int] = field(default_factory=dict)
    weights_permille: Mapping[str, int] = field(default_factory=dict)
    because: Because = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Situation:
    """What a plan is made from, apart from the run: all of it as of one instant.

    Attributes:
        now: On the grid clock.
        clients: Everybody enrolled.
        gates: By client id.
        readings: By client id, what its grid says now; `None` where that is unknown or of another
            family than the federation's.
        busy: Clients with an open assignment, of whichever run.
        failures: Consecutive failures in this run, by client id.
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


def plan_round(spec: RunSpec, situation: Situation, *, number: int, so_far: Round | None) -> Plan:
    """Plan round `number` of a run, or who joins a round that is short of its quorum.

    Args:
        spec: What the run asks for.
        situation: The federation at this instant.
        number: The round's number, from 1.
        so_far: The open round that needs more clients; `None` for a new one.

    Returns:
        The plan. It is a pure function of the arguments: the draw is seeded by run and round.

    Raises:
        SettingError: If the run's policy cannot be found, or fails.
    """
    scores = score_clients(situation.clients, situation.readings, weights=situation.weights)
    codes = {c.id: _code(c, situation, so_far) for c in situation.clients}
    eligible = [c for c in situation.clients if codes[c.id] == "not_sampled"]
    quorum, target = _aims(spec, eligible, so_far)
    waiting, answer = None, Answer(())
    if len(eligible) < quorum:
        waiting = "too_few"
    else:
        wanted = min(len(eligible), math.ceil(target * (1 + spec.over_selection)))
        attempt = len(so_far.cohort) if so_far else 0
        question = Question(
            candidates=[_candidate(c, scores[c.id], situation) for c in eligible],
            wanted=wanted, quorum=quorum, number=number, now=situation.now,
            rng=Random(derive_seed(spec.seed, spec.id, number, f"plan-{attempt}")),  # noqa: S311 - a draw, not a secret
            past=[
                PastRound(r.number, r.started, r.updates, (r.ended - r.started) / HOUR)
                for r in situation.past
            ],
            num_clients=len(situation.clients), spent_gco2eq=situation.spent_gco2eq,
            grams=spec.grams, rounds_left=None if spec.rounds is None else spec.rounds - number + 1,
            hours_left=situation.hours_left, interval_h=_interval_h(spec, situation.now),
            epochs=spec.hyperparameters.epochs,
            options=policy_options(spec.policy, spec.policy_options),
        )  # fmt: skip
        answer = ask(spec.policy, question)
        if len(answer.cohort) < quorum:
            waiting = "policy_waits"
        else:
            codes |= dict.fromkeys(answer.cohort, "invited")
            target = target if answer.target is None else answer.target
    verdicts = [
        Verdict(
            c.id, codes[c.id], situation.gates.get(c.id), scores[c.id],
            _expected_gco2eq(c, situation, answer, spec), answer.notes.get(c.id, {}),
        )
        for c in situation.clients
    ]  # fmt: skip
    remaining = None if spec.grams is None else spec.grams - situation.spent_gco2eq
    weighs = bool(answer.weights) if so_far is None else so_far.weighs
    return _within_budget(target, verdicts, waiting, remaining, answer, weighs=weighs)


def _expected_gco2eq(
    client: Client, situation: Situation, answer: Answer, spec: RunSpec
) -> float | None:
    whole = expected_gco2eq(client, situation.readings[client.id])
    epochs = answer.epochs.get(client.id)
    return (
        whole if whole is None or epochs is None else whole * epochs / spec.hyperparameters.epochs
    )


def _candidate(client: Client, score: Score, situation: Situation) -> Candidate:
    reading = situation.readings[client.id]
    return Candidate(
        client=client.id, zone=client.zone, score=score.value, updates=client.updates,
        num_examples=client.num_examples, utility=client.utility, duration_s=client.latency_s,
        energy_wh=client.energy_per_update_wh, gco2eq=expected_gco2eq(client, reading),
        intensity_gco2eq_per_kwh=reading.gco2eq_per_kwh if reading else None,
        forecast_gco2eq_per_kwh=situation.forecasts.get(client.zone, ()),
        waited_h=(situation.now - (client.waiting_since or situation.now)) / HOUR,
    )  # fmt: skip


def _interval_h(spec: RunSpec, now: datetime) -> float:
    due = spec.due(now)
    return (spec.due(due) - due) / HOUR


def _aims(spec: RunSpec, eligible: Sequence[Client], so_far: Round | None) -> tuple[int, int]:
    """Return how many clients are needed at least, and how many are aimed at."""
    if so_far is None:
        return spec.quorum, spec.cohort or len(eligible)
    missing = spec.quorum - len(so_far.accepted)
    return 1, max(1, missing)


def _code(client: Client, situation: Situation, so_far: Round | None) -> str:
    gate = situation.gates.get(client.id)
    part = so_far.cohort.get(client.id) if so_far else None
    if not client.alive:
        return "silent"
    if so_far is not None and part is not None:
        code = _part_code(client, part, so_far, situation.now)
        if code is not None:
            return code
    if client.id in situation.busy:
        return "busy"
    if situation.failures.get(client.id, 0) >= MAX_FAILURES:
        return "failing"
    if gate is None or gate.state == "unknown":
        return "gate_unknown"
    return "gate_closed" if gate.state == "closed" else "not_sampled"


def _part_code(client: Client, part: AssignmentState, so_far: Round, now: datetime) -> str | None:
    """Return why a client that has a part in the round is not asked again, or `None` if it is.

    A site that declined for reasons of its own is asked again when the hour it was asked for is
    over; one that failed, when its worker was restarted.
    """
    if part.status in ("open", "accepted"):
        return "in_round"
    if part.status in ("failed", "refused"):
        return "failed" if part.incarnation == client.incarnation else None
    meant_it = part.status == "declined" and (part.reason or {}).get("code") != "too_late"
    return "declined" if meant_it and now <= so_far.valid_until else None


def _within_budget(
    target: int,
    verdicts: list[Verdict],
    waiting: str | None,
    remaining: float | None,
    answer: Answer,
    *,
    weighs: bool,
) -> Plan:
    expected = sum(v.expected_gco2eq or 0.0 for v in verdicts if v.invited)
    if remaining is not None and expected > remaining:
        verdicts = [replace(v, code="over_budget") if v.invited else v for v in verdicts]
        return Plan((), target, tuple(verdicts), "over_budget", expected)
    cohort = tuple(v.client for v in verdicts if v.invited)
    permille = {c: round(answer.weights.get(c, 1.0) * _PERMILLE) for c in cohort}
    return Plan(
        cohort, min(target, len(cohort)), tuple(verdicts), waiting, expected,
        epochs={c: answer.epochs[c] for c in cohort if c in answer.epochs},
        weights_permille=permille if weighs else {},
        because=answer.because,
    )  # fmt: skip


def derive_seed(run_seed: int, run: str, number: int, subject: str) -> int:
    """Return a seed that depends on the run, the round and the subject alone, below 2**63."""
    text = f"{run_seed}/{run}/{number}/{subject}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


SENTENCES: Mapping[str, str] = {
    "silent": "its worker has not been heard of; start it at the site",
    "busy": "it still works on another assignment; it is asked again afterwards",
    "failing": "its last three assignments failed; read the site's log and restart its worker",
    "failed": "its work for this round failed; read the site's log and restart its worker",
    "declined": "its site declined; it is asked again when this hour of the grid is over",
    "in_round": "it already has its part in this round",
    "gate_unknown": "the carbon intensity of its zone is unknown, and unknown is not clean",
    "over_budget": "what is left of the run's budget does not cover this round",
    "too_few": "fewer clients are eligible than the quorum asks for",
    "policy_waits": "the run's policy would rather wait than ask as many as the quorum",
}


def why(verdict: Verdict) -> str:
    """Return one sentence that says why the client was or was not invited."""
    if verdict.code in SENTENCES:
        return SENTENCES[verdict.code]
    gate = explain(verdict.gate) if verdict.gate else ""
    if verdict.code == "gate_closed" or verdict.score is None:
        return gate
    cost = verdict.expected_gco2eq
    grams = f", about {show_mass(cost)} an update" if cost is not None else ""
    chance = "drawn" if verdict.invited else "not drawn this time"
    return f"{gate}; {chance} with score {verdict.score.value:.2f}{grams}"


def describe(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict as the ledger keeps it: codes and numbers, no sentences."""
    score = verdict.score
    return {
        "client": verdict.client,
        "code": verdict.code,
        "gate": verdict.gate.to_dict() if verdict.gate else None,
        "expected_gco2eq": verdict.expected_gco2eq,
        "score": score.value if score else None,
        "parts": {part.name: [part.value, part.normalised, part.weight] for part in score.parts}
        if score
        else {},
    } | ({"note": dict(verdict.note)} if verdict.note else {})
