"""Closing: commit a round's manifest, sum it into the next version, score it, and end runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from common.clock import wall_now
from common.errors import FairwindError
from common.failpoints import failpoint
from common.log import get_logger
from common.units import show_mass
from models.aggregation import Contribution
from models.server_optimizers import make_server_optimizer
from models.update import write_state
from models.version import make_version
from scheduler.accounting import account
from scheduler.blobs import Blobs
from scheduler.ending import end_reason
from scheduler.event import Draft
from scheduler.federation import Federation, Run
from scheduler.round import ClosedRound, Round
from scheduler.run import RunSpec
from tasks.coordinator import Coordinator
from tasks.planning import dispatch_seconds
from tasks.workbench import Workbench

_log = get_logger(__name__)


def open_new_runs(c: Coordinator) -> None:
    """Make the first version of every run that has none; a workload that cannot ends its run."""
    for run in c.ledger.state().active_runs():
        if run.version is not None:
            continue
        try:
            draft = _opened(c, run)
        except FairwindError as error:
            draft = Draft("run.ended", run=run.id, body=_end_body(run, "failed", str(error)))
            _log.error("run.failed", run=run.id, reason=str(error))
        with c.ledger.transaction() as tx:
            current = tx.state.runs[run.id]
            if current.version is None and current.ended_at is None:
                tx.append(draft)


def _opened(c: Coordinator, run: Run) -> Draft:
    workload = run.spec.workload
    make_server_optimizer(run.spec.server_optimizer.name, **run.spec.server_optimizer.options)
    state = c.workbench.first_version(workload, run.spec.seed)
    path = c.blobs.incoming / f"{run.id}.first"
    write_state(state, path)
    body = {
        "version": c.blobs.keep(path),
        "num_params": sum(tensor.numel() for tensor in state.values()),
        "scored_here": c.workbench.has_test_data(workload),
    }
    return Draft("run.opened", run=run.id, body=body)


def settle_open_rounds(c: Coordinator) -> None:
    """Give up what is past its deadline, and close every round that is complete."""
    for run in c.ledger.state().active_runs():
        open_round = run.open_round
        if open_round is None:
            continue
        if open_round.manifest is None and wall_now() >= open_round.deadline:
            _give_up(c, run.id)
        close_round(c, run.id)


def _give_up(c: Coordinator, run_id: str) -> None:
    with c.ledger.transaction() as tx:
        open_round = tx.state.runs[run_id].open_round
        for part in open_round.open_assignments() if open_round else []:
            body = {"code": "deadline", "reason": {"code": "deadline", "text": "No answer came."}}
            tx.append(
                Draft(
                    "assignment.given_up",
                    run=run_id,
                    round=open_round.number if open_round else 0,
                    client=part.client,
                    body=body,
                )  # fmt: skip
            )


def close_round(c: Coordinator, run_id: str) -> bool:
    """Close a run's open round if it is complete, and return whether it is closed now.

    Safe to run twice and at once: the manifest is committed once, the version is a pure function
    of it, and publishing the version is one transaction.
    """
    begun = time.perf_counter()
    round_ = _committed(c, run_id)
    if round_ is None:
        return False
    failpoint("round.committed")
    run = c.ledger.state().runs[run_id]
    version, server_state = next_version(
        c.blobs, c.workbench, run.spec, round_, server_state=run.server_state
    )
    failpoint("round.summed")
    with c.ledger.transaction() as tx:
        run = tx.state.runs[run_id]
        if run.open_round is None or run.open_round.number != round_.number:
            return True
        body = _closed(c, tx.state, run, round_) | {
            "version": version,
            "server_state": server_state,
        }
        body["phases"] |= _phases(run_id, round_) | {"close_s": time.perf_counter() - begun}
        tx.append(Draft("round.closed", run=run_id, round=round_.number, body=body))
    _log.info(
        "round.closed", run=run_id, round=round_.number, version=version[:12],
        updates=len(round_.accepted), emitted=show_mass(body["gco2eq"]),
    )  # fmt: skip
    return True


def _committed(c: Coordinator, run_id: str) -> Round | None:
    """Return the open round with its manifest committed, or `None` if it is not complete."""
    state = c.ledger.state()
    round_ = state.runs[run_id].open_round
    if round_ is None or round_.manifest is not None:
        return round_
    if not _complete(state, run_id):
        return None
    with c.ledger.transaction() as tx:
        round_ = tx.state.runs[run_id].open_round
        if round_ is not None and round_.manifest is None and _complete(tx.state, run_id):
            manifest = [
                {"client": client, "sha256": update.sha256, "weight": update.weight}
                for client, update in sorted(round_.accepted.items())
            ]
            tx.append(
                Draft(
                    "round.committed", run=run_id, round=round_.number, body={"manifest": manifest}
                )
            )
    return round_


def _complete(state: Federation, run_id: str) -> bool:
    run = state.runs[run_id]
    if run.open_round is None or run.ended_at is not None:
        return False
    return run.open_round.complete(run.spec.quorum, wall_now(), state.clients)


def next_version(
    blobs: Blobs,
    workbench: Workbench,
    spec: RunSpec,
    round_: Round | ClosedRound,
    *,
    server_state: str | None,
) -> tuple[str, str | None]:
    """Make the version a committed round stands for, and keep it.

    Args:
        blobs: Where base, updates and result are.
        workbench: Knows the workload's model.
        spec: The run's.
        round_: The round, with its manifest.
        server_state: The blob of the server optimizer's state before the round, if it has one.

    Returns:
        The names of the blobs of the version and of the server optimizer's state, if it has one.
    """
    model, new_state = make_version(
        blobs.path(round_.base_version),
        blobs.path(server_state) if server_state else None,
        [
            Contribution(blobs.path(line["sha256"]), line["weight"])
            for line in round_.manifest or []
        ],
        signature=workbench.signature(spec.workload),
        parameters=workbench.parameters(spec.workload),
        exponent=round_.exponent,
        optimizer=make_server_optimizer(
            spec.server_optimizer.name, **spec.server_optimizer.options
        ),
        folder=blobs.incoming,
    )
    return blobs.keep(model), blobs.keep(new_state) if new_state else None


def _closed(c: Coordinator, state: Federation, run: Run, round_: Round) -> dict[str, Any]:
    zones = {client.id: client.zone for client in state.clients.values()}
    baseline_at = run.baseline_at or round_.grid_planned_at
    figures = account(
        round_.accepted, zones, planned_at=round_.grid_planned_at, ended_at=c.clock.now(),
        baseline_at=baseline_at, mean=c.grid.mean_gco2eq_per_kwh,
    )  # fmt: skip
    return {
        "energy_wh": figures.energy_wh,
        "gco2eq": figures.gco2eq,
        "baseline_gco2eq": figures.baseline_gco2eq,
        "baseline_started": baseline_at.isoformat(),
        "baseline_ended": figures.baseline_ended.isoformat(),
        "fleet_gco2eq": figures.fleet_gco2eq,
        "held_out": _held_out(round_),
        "phases": {},
    }


def _held_out(round_: Round) -> dict[str, float]:
    """Return the clients' scores of the base version, weighted by their held-out examples."""
    scored = [update for update in round_.accepted.values() if update.num_held_out]
    total = sum(update.num_held_out for update in scored)
    names = {name for update in scored for name in update.metrics}
    return {
        name: sum(u.metrics.get(name, 0.0) * u.num_held_out for u in scored) / total
        for name in sorted(names)
    }


def _phases(run_id: str, round_: Round) -> dict[str, float | None]:
    """Return where the round's wall seconds went; site phases are of the slowest client."""
    updates = list(round_.accepted.values())
    phases: dict[str, float | None] = {
        "dispatch_s": dispatch_seconds.pop((run_id, round_.number), None)
    }
    for name in ("queue_s", "pull_s", "train_s", "push_s", "accept_s"):
        phases[name] = max((u.timings.get(name, 0.0) for u in updates), default=0.0)
    phases["accept_total_s"] = sum(u.timings.get("accept_s", 0.0) for u in updates)
    return phases


def score_versions(c: Coordinator) -> None:
    """Score every version that has no score yet, where somebody can score it."""
    for run in c.ledger.state().active_runs():
        for closed in run.unevaluated():
            begun = time.perf_counter()
            metrics = _score(c, run, closed.number, closed.version)
            if metrics is None:
                continue
            body = {"metrics": metrics, "evaluate_s": time.perf_counter() - begun}
            with c.ledger.transaction() as tx:
                tx.append(Draft("round.evaluated", run=run.id, round=closed.number, body=body))
            _log.info("round.evaluated", run=run.id, round=closed.number, **metrics)


def _score(c: Coordinator, run: Run, number: int, version: str) -> dict[str, float] | None:
    """Return a version's score by our test data, or by the clients that pulled it afterwards."""
    try:
        if c.workbench.has_test_data(run.spec.workload):
            return c.workbench.score(run.spec.workload, c.blobs.path(version))
    except FairwindError as error:
        _log.error("round.not_evaluated", run=run.id, round=number, reason=str(error))
        return {}
    later = [closed for closed in run.closed if closed.number == number + 1]
    return later[0].held_out if later else None


def end_finished_runs(c: Coordinator) -> None:
    """End every run whose budget is spent or that was asked to stop; keep its best and its last."""
    for run in c.ledger.state().active_runs():
        reason = end_reason(run, c.clock.now())
        if reason is None:
            continue
        export(c.blobs, c.settings.folder / "runs" / run.id, run)
        with c.ledger.transaction() as tx:
            current = tx.state.runs[run.id]
            if current.ended_at is None:
                tx.append(Draft("run.ended", run=run.id, body=_end_body(current, reason, "")))
        _log.info("run.ended", run=run.id, reason=reason, rounds=len(run.closed))


def _end_body(run: Run, reason: str, text: str) -> dict[str, Any]:
    best = run.best_version or run.version
    return {"reason": reason, "text": text, "last_version": run.version, "best_version": best}


def export(blobs: Blobs, folder: Path, run: Run) -> None:
    """Put a run's last and best version into a folder as safetensors files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, version in (("last", run.version), ("best", run.best_version or run.version)):
        if version is None:
            continue
        partial = folder / f"{name}.part"
        partial.unlink(missing_ok=True)
        partial.hardlink_to(blobs.path(version))
        partial.replace(folder / f"{name}.safetensors")
