"""Payloads of the events of a round's course, the same in production and in simulation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from common.clock import Clock
from common.messages import Receipt
from common.units import emitted_gco2eq
from scheduler.accounting.baseline import account
from scheduler.carbon.grid import Grid
from scheduler.federation.accepted import Accepted, Evaluated
from scheduler.federation.federation import Federation, Run
from scheduler.federation.round import AssignmentState, Round
from scheduler.ledger.events import (
    ManifestLine,
    RoundClosed,
    RoundCommitted,
    RoundPlanned,
    WorkRecord,
)
from scheduler.selection.plan import MAX_WEIGHT_PERMILLE, Plan

_WH_PER_B = 1e-6
"""1 kWh per GB, as Wh per byte."""


def heaviest_weight(state: Federation, run: Run, plan: Plan) -> int:
    """Return what the weights of a planned round may sum to at most, whoever joins it later."""
    heaviest = MAX_WEIGHT_PERMILLE if plan.weights_permille else 1
    return run.spec.weight_cap * max(1, len(state.clients)) * heaviest


def round_planned(
    run: Run,
    plan: Plan,
    *,
    valid_until: datetime,
    exponent: int,
    evaluates: bool,
    verdicts: str | None,
) -> RoundPlanned:
    """Return the payload of ``round.planned``.

    Args:
        run: The run.
        plan: Its plan.
        valid_until: Until when sites may begin, on the grid clock.
        exponent: Of the grid on which the round's updates are summed.
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
        exponent=exponent,
        expected_gco2eq=plan.expected_gco2eq,
        epochs=dict(plan.epochs),
        weights_permille=dict(plan.weights_permille),
        because=dict(plan.because),
        evaluates=evaluates,
        verdicts=verdicts,
    )


def part_of(state: Federation, receipt: Receipt) -> AssignmentState | None:
    """Return the client's part in the open round of the receipt's run, if it has one."""
    open_round = state.runs[receipt.run].open_round
    return open_round.cohort.get(receipt.client) if open_round else None


def work_record(
    state: Federation,
    grid: Grid,
    clock: Clock,
    receipt: Receipt,
    *,
    pulled_nbytes: int,
    network_kwh_per_gb: float,
) -> WorkRecord:
    """Return what a receipt reports: what was used, when, and what that emitted.

    Args:
        state: Before the event.
        grid: Tells the intensities.
        clock: Both clocks; a receipt's times are on the wall clock.
        receipt: The site's answer.
        pulled_nbytes: Size of the model pulled for the work, 0 if none was.
        network_kwh_per_gb: What moving bytes takes.
    """
    grid_start, grid_end = clock.grid_at(receipt.started_at), clock.grid_at(receipt.ended_at)
    zone = state.clients[receipt.client].zone
    intensity = grid.mean(zone, grid_start, max(grid_start, grid_end))
    energy = receipt.energy
    grams = None
    if energy is not None and intensity is not None:
        grams = emitted_gco2eq(energy.energy_wh, intensity.gco2eq_per_kwh)
    comparable = intensity is not None and intensity.family == grid.family
    nbytes = receipt.update.nbytes if receipt.update else 0
    part = part_of(state, receipt)
    run = state.runs[receipt.run]
    epochs = (part and part.epochs) or run.spec.hyperparameters.epochs
    return WorkRecord(
        attempt=receipt.attempt,
        started_at=receipt.started_at,
        ended_at=receipt.ended_at,
        grid_started_at=grid_start,
        grid_ended_at=max(grid_start, grid_end),
        energy=energy,
        intensity=intensity.to_record() if intensity else None,
        comparable=comparable,
        gco2eq=grams if comparable else None,
        gco2eq_apart=None if comparable else grams,
        nbytes=nbytes,
        pulled_nbytes=pulled_nbytes,
        network_wh=(nbytes + pulled_nbytes) * network_kwh_per_gb * _WH_PER_B,
        examples=receipt.num_examples * epochs,
        sha256=receipt.update.sha256 if receipt.update else None,
        loss=receipt.loss,
        utility=receipt.utility,
        metrics=receipt.metrics,
        num_held_out=receipt.num_held_out,
        reason=receipt.reason,
    )


def round_committed(round_: Round) -> RoundCommitted:
    """Return the payload of ``round.committed``: the manifest, in the order of the clients' ids."""
    return RoundCommitted(
        manifest=tuple(
            ManifestLine(client, update.sha256, update.weight)
            for client, update in sorted(round_.accepted.items())
        )
    )


def round_closed(
    state: Federation,
    run: Run,
    round_: Round,
    grid: Grid,
    *,
    grid_now: datetime,
    version: str,
    server_state: str | None = None,
    phases: Mapping[str, float | None] | None = None,
) -> RoundClosed:
    """Return the payload of ``round.closed``.

    Args:
        state: Before the event.
        run: The run.
        round_: Its open round.
        grid: Knows the intensities.
        grid_now: When it is closed, on the grid clock.
        version: The blob of the version it made.
        server_state: The blob of the server optimizer's state, if it has one.
        phases: Where the round's wall seconds went, if that is known.
    """
    zones = [client.zone for client in state.clients.values()]
    baseline_at = run.baseline_due or round_.grid_planned_at
    figures = account(
        state.book.of_round(run.id, round_.number), zones, planned_at=round_.grid_planned_at,
        ended_at=grid_now, baseline_at=baseline_at, mean=grid.comparable,
    )  # fmt: skip
    return RoundClosed(
        version=version,
        server_state=server_state,
        energy_wh=figures.energy_wh,
        gco2eq=figures.gco2eq,
        baseline_gco2eq=figures.baseline_gco2eq,
        baseline_started=baseline_at,
        baseline_ended=figures.baseline_ended,
        fleet_gco2eq=figures.fleet_gco2eq,
        held_out=held_out_mean(round_.accepted.values()),
        phases=dict(phases or {}),
    )


def held_out_mean(scored: Iterable[Accepted | Evaluated]) -> dict[str, float]:
    """Return the sites' scores of one version, weighted by their held-out examples."""
    scores = [each for each in scored if each.num_held_out]
    total = sum(each.num_held_out for each in scores)
    names = {name for each in scores for name in each.metrics}
    return {
        name: sum(each.metrics.get(name, 0.0) * each.num_held_out for each in scores) / total
        for name in sorted(names)
    }
