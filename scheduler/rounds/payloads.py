"""Payloads of the events of a round's course, the same in production and in simulation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from common.clock import Clock
from common.hyperparameters import Hyperparameters
from common.messages import Reason, Receipt
from common.units import emitted_gco2eq
from scheduler.accounting.baseline import account
from scheduler.accounting.plausible import plausible, plausible_energy
from scheduler.carbon.grid import Grid
from scheduler.federation.accepted import Accepted, Evaluated
from scheduler.federation.federation import Federation, Run
from scheduler.federation.round import AssignmentState, Round
from scheduler.ledger.events import (
    Coverage,
    Evaluation,
    ManifestLine,
    RoundClosed,
    RoundCommitted,
    RoundPlanned,
    WorkRecord,
)
from scheduler.rounds.fednova import effective_steps, normalised_weights
from scheduler.rounds.idle_intensity import idle_intensity
from scheduler.rounds.running_divisor import running_divisor, totals_of_day
from scheduler.rounds.scaffold import control_terms
from scheduler.rounds.work_time import WorkTime
from scheduler.rounds.world import NextVersion
from scheduler.selection.plan import Plan

_CLOSED_AT_MOST = timedelta(days=1)

_WH_PER_B = 1e-6
"""1 kWh per GB, as Wh per byte."""

_HEADER_NBYTES = 2**16
"""By so much an update may be larger than the version it was trained from: names take room."""


def round_planned(
    run: Run,
    plan: Plan,
    *,
    valid_until: datetime,
    evaluates: bool,
    verdicts: str | None,
) -> RoundPlanned:
    """Return the payload of ``round.planned``.

    Args:
        run: The run.
        plan: Its plan.
        valid_until: Until when sites may begin, on the grid clock.
        evaluates: Whether the cohort only scores the last version.
        verdicts: The blob that says of every client why it is invited or not; `None` for none.
    """
    assert run.version is not None  # noqa: S101 - a run without a version is never due
    return RoundPlanned(
        base_version=run.version,
        cohort=plan.cohort,
        target=plan.target,
        deadline_s=run.spec.deadline_s,
        valid_until=valid_until,
        expected_gco2eq=plan.expected_gco2eq,
        epochs=dict(plan.epochs),
        weights_permille=dict(plan.weights_permille),
        because=dict(plan.because),
        evaluates=evaluates,
        verdicts=verdicts,
    )


def part_of(state: Federation, receipt: Receipt) -> AssignmentState | None:
    """Return the client's part in the open round, if a receipt is of its assignment."""
    open_round = state.runs[receipt.run].open_round
    return open_round.part(receipt.client, receipt.round) if open_round is not None else None


def work_record(
    state: Federation,
    grid: Grid,
    clock: Clock,
    receipt: Receipt,
    *,
    done: WorkTime,
    pulled_nbytes: int,
    frozen_nbytes: int,
    network_kwh_per_gb: float,
) -> WorkRecord:
    """Return what a receipt reports: what was used, when, and what that emitted.

    Args:
        state: Before the event.
        grid: Tells the intensities.
        clock: Both clocks of the coordinator, which receives the receipt now.
        receipt: The site's answer.
        done: When its work was done.
        pulled_nbytes: Size of the version pulled for the work, 0 if none was.
        frozen_nbytes: Size of the model's frozen part, of which what the site had to pull is added.
        network_kwh_per_gb: What moving bytes takes.
    """
    zone = state.clients[receipt.client].zone
    intensity = grid.mean(zone, done.grid_started_at, done.grid_ended_at)
    energy = plausible_energy(receipt.energy, done.within)
    grams = None
    if energy is not None and intensity is not None:
        grams = emitted_gco2eq(energy.energy_wh, intensity.gco2eq_per_kwh)
    comparable = intensity is not None and intensity.family == grid.family
    waited = idle_intensity(grid, clock, zone, energy, done)
    most_nbytes = pulled_nbytes + _HEADER_NBYTES
    nbytes = min(receipt.update.nbytes, most_nbytes) if receipt.update else 0
    pulled_nbytes += min(receipt.frozen_nbytes, frozen_nbytes)
    part = part_of(state, receipt)
    run, client = state.runs[receipt.run], state.clients[receipt.client]
    epochs = part.epochs if part else None
    examples = run.spec.hyperparameters.examples_trained(
        min(receipt.num_examples, client.num_examples or receipt.num_examples), epochs=epochs
    )
    each = receipt.flops_per_example
    record = WorkRecord(
        attempt=receipt.attempt,
        started_at=receipt.started_at,
        ended_at=receipt.ended_at,
        grid_started_at=done.grid_started_at,
        grid_ended_at=done.grid_ended_at,
        energy=energy,
        intensity=intensity.to_record() if intensity else None,
        idle_intensity=waited.to_record() if waited else None,
        comparable=comparable,
        gco2eq=grams if comparable else None,
        gco2eq_apart=None if comparable else grams,
        nbytes=nbytes,
        pulled_nbytes=pulled_nbytes,
        network_wh=(nbytes + pulled_nbytes) * network_kwh_per_gb * _WH_PER_B,
        examples=examples,
        num_steps=receipt.num_steps,
        flops=None if each is None else each * examples,
        sha256=receipt.update.sha256 if receipt.update else None,
        loss=receipt.loss,
        utility=receipt.utility,
        metrics=receipt.metrics,
        num_held_out=receipt.num_held_out,
        memory=receipt.memory,
        memory_lost=receipt.memory_lost,
        reason=_by_our_clock(receipt.reason, clock, done),
        trail=receipt.trail,
        privacy=receipt.privacy,
    )
    most_examples = client.most_held_out(run.spec.weight_cap)
    return plausible(record, within=done.within, most_examples=most_examples)


def _by_our_clock(reason: Reason | None, clock: Clock, done: WorkTime) -> Reason | None:
    """Return a site's reason with the time that it gave as our clock will show it.

    A site is closed for a day at most: its hours and its limits come round each day.
    """
    if reason is None or reason.not_before is None:
        return reason
    try:
        ahead = clock.grid_at(done.ended_at + done.ahead) - clock.grid_at(done.ended_at)
        not_before = min(reason.not_before - ahead, done.grid_ended_at + _CLOSED_AT_MOST)
    except OverflowError:  # a clock that is wrong by years says nothing of hours
        not_before = None
    return reason.model_copy(update={"not_before": not_before})


def round_committed(state: Federation, run: Run, round_: Round) -> RoundCommitted:
    """Return the payload of ``round.committed``: the manifest, in the order of the clients' ids.

    In an asynchronous run the sum is divided by what the weights would be without staleness: a
    buffer of old updates moves the model less. Where a version is the mean of the latest model of
    each client, those of the others count as well. FedNova sets both weights and divisor; with
    SCAFFOLD every update counts alike, and the manifest says what its control variates need. With a
    robust rule, too: how many examples a site has is its own word. With bias running or realised, a
    round that weighs its clients is divided by the mean total of a day.
    """
    updates = [update for _, update in sorted(round_.accepted.items())]
    weights, divisor = [update.weight for update in updates], None
    own = sum(weights)
    if run.spec.is_async and run.spec.bias != "memory":
        divisor = sum(update.full_weight for update in updates)
    if run.spec.algorithm == "fednova":
        asked = run.spec.hyperparameters.in_round(round_.number)
        weights, divisor = normalised_weights(weights, [_steps(asked, each) for each in updates])
    if run.spec.algorithm == "scaffold" or run.spec.is_robust:
        weights = [1] * len(updates)
    is_running = run.spec.divides_by_day and round_.weighs
    if is_running:
        running = running_divisor(own, totals_of_day(run.closed, round_.grid_planned_at))
        divisor = max(1, (sum(weights) if divisor is None else divisor) * running // own)
    return RoundCommitted(
        manifest=tuple(
            ManifestLine(client, update.sha256, weight, update.issued)
            for client, update, weight in zip(
                sorted(round_.accepted), updates, weights, strict=True
            )
        ),
        divisor=divisor,
        total=own if is_running else None,
        latest=tuple(
            line
            for client, line in sorted(run.latest.items())
            if client not in round_.accepted and not state.clients[client].retired
        ),
        controls=control_terms(state, run, round_),
    )


def _steps(hyperparameters: Hyperparameters, update: Accepted) -> float:
    assert update.num_steps is not None  # noqa: S101 - none counts without
    return effective_steps(
        update.num_steps, learning_rate=hyperparameters.learning_rate,
        momentum=hyperparameters.momentum, mu=hyperparameters.proximal_mu,
    )  # fmt: skip


def round_closed(
    state: Federation,
    run: Run,
    round_: Round,
    grid: Grid,
    *,
    grid_now: datetime,
    made: NextVersion,
    phases: Mapping[str, float | None] | None = None,
) -> RoundClosed:
    """Return the payload of ``round.closed``.

    Args:
        state: Before the event.
        run: The run.
        round_: Its open round.
        grid: Knows the intensities.
        grid_now: When it is closed, on the grid clock.
        made: What it made.
        phases: Where the round's wall seconds went, if that is known.
    """
    zones = [client.zone for client in state.clients.values()]
    baseline_at = run.baseline_due or round_.grid_planned_at
    issued = {client: update.issued for client, update in round_.accepted.items()}
    figures = account(
        state.book.counted_in(run.id, issued), zones, number=round_.number,
        planned_at=round_.grid_planned_at, ended_at=grid_now, baseline_at=baseline_at,
        mean=grid.comparable, is_async=run.spec.is_async,
    )  # fmt: skip
    return RoundClosed(
        version=made.version,
        server_state=made.server_state,
        server_control=made.server_control,
        client_controls=dict(made.client_controls),
        robust=made.robust,
        energy_wh=figures.energy_wh,
        gco2eq=figures.gco2eq,
        baseline_gco2eq=figures.baseline_gco2eq,
        baseline_started=baseline_at,
        baseline_ended=figures.baseline_ended,
        fleet_gco2eq=figures.fleet_gco2eq,
        # Only those that pulled the round's own base say what that is worth.
        held_out=mean_over_sites(
            update for update in round_.accepted.values() if update.issued == round_.number
        ),
        phases=dict(phases or {}),
    )


def mean_over_sites(evaluated: Iterable[Accepted | Evaluated]) -> Evaluation | None:
    """Return the sites' evaluation of one version; `None` if none of them has held-out examples.

    A metric's mean is over the sites that reported a finite value of it, weighted by their held-out
    examples. How many these are is part of the evaluation where others reported none.
    """
    sites = [each for each in evaluated if each.num_held_out]
    if not sites:
        return None
    names = sorted({name for each in sites for name in each.metrics})
    known = {
        name: [
            (x, each.num_held_out) for each in sites if (x := each.metrics.get(name)) is not None
        ]
        for name in names
    }
    return Evaluation(
        metrics={name: _mean(known[name]) for name in names},
        sites=len(sites),
        examples=sum(each.num_held_out for each in sites),
        partly={
            name: Coverage(sites=len(some), examples=sum(count for _, count in some))
            for name, some in known.items()
            if len(some) < len(sites)
        },
    )


def _mean(weighted: Sequence[tuple[float, int]]) -> float | None:
    """Return the weighted mean of values, the same in any order; `None` if there are none."""
    total = sum(count for _, count in weighted)
    return math.fsum(value * (count / total) for value, count in weighted) if weighted else None
