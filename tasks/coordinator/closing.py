"""Closing: commit a round's manifest and sum it into the next version."""

from __future__ import annotations

import time

from common.clock import wall_now
from common.failpoints import failpoint
from common.log import get_logger
from common.units import show_mass
from models.aggregation import Contribution
from models.server_optimizers import make_server_optimizer
from models.version import make_version
from scheduler.federation.round import ClosedRound, Round
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.event import Draft
from scheduler.ledger.run_spec import RunSpec
from scheduler.rounds.drafts import closed_body, committed_body
from scheduler.rounds.progress import is_complete, overdue
from tasks.coordinator.coordinator import Coordinator
from tasks.coordinator.planning import dispatch_seconds, model_ref
from tasks.coordinator.workbench import Workbench

_log = get_logger(__name__)


def settle_open_rounds(c: Coordinator) -> None:
    """Give up what is past its deadline, and close every round that is complete."""
    for run in c.ledger.state().active_runs():
        if run.open_round is None:
            continue
        if overdue(run, wall_now()):
            with c.ledger.transaction() as tx:
                tx.append(*overdue(tx.state.runs[run.id], wall_now()))
        close_round(c, run.id)


def close_round(c: Coordinator, run_id: str) -> None:
    """Close a run's open round if it is complete.

    Safe to run twice and at once: the manifest is committed once, the version is a pure function
    of it, and publishing the version is one transaction.
    """
    begun = time.perf_counter()
    round_ = _committed(c, run_id)
    if round_ is None:
        return
    failpoint("round.committed")
    run = c.ledger.state().runs[run_id]
    version, server_state = next_version(
        c.blobs, c.workbench, run.spec, round_, server_state=run.server_state
    )
    failpoint("round.summed")
    with c.ledger.transaction() as tx:
        run = tx.state.runs[run_id]
        if run.open_round is None or run.open_round.number != round_.number:
            return
        body = closed_body(
            tx.state, run, round_, c.grid, grid_now=c.clock.now(), version=version,
            server_state=server_state,
            phases=_phases(run_id, round_) | {"close_s": time.perf_counter() - begun},
        )  # fmt: skip
        tx.append(Draft(body, run=run_id, round=round_.number))
    c.transport.delete(model_ref(c.blobs, round_.base_version))
    _log.info(
        "round.closed", run=run_id, round=round_.number, version=version[:12],
        updates=len(round_.accepted), emitted=show_mass(body.gco2eq),
    )  # fmt: skip


def _committed(c: Coordinator, run_id: str) -> Round | None:
    """Return the open round with its manifest committed, or `None` if it is not complete."""
    state = c.ledger.state()
    round_ = state.runs[run_id].open_round
    if round_ is None or round_.manifest is not None:
        return round_
    if not is_complete(state, state.runs[run_id], wall_now()):
        return None
    with c.ledger.transaction() as tx:
        run = tx.state.runs[run_id]
        round_ = run.open_round
        due = is_complete(tx.state, run, wall_now())
        if round_ is not None and round_.manifest is None and due:
            tx.append(Draft(committed_body(round_), run=run_id, round=round_.number))
    return round_


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
        [Contribution(blobs.path(line.sha256), line.weight) for line in round_.manifest or ()],
        signature=workbench.signature(spec.workload),
        parameters=workbench.parameters(spec.workload),
        exponent=round_.exponent,
        optimizer=make_server_optimizer(
            spec.server_optimizer.name, **spec.server_optimizer.options
        ),
        folder=blobs.incoming,
    )
    return blobs.keep(model), blobs.keep(new_state) if new_state else None


def _phases(run_id: str, round_: Round) -> dict[str, float | None]:
    """Return where the round's wall seconds went; site phases are of the slowest client."""
    updates = list(round_.accepted.values())
    phases: dict[str, float | None] = {
        "dispatch_s": dispatch_seconds.pop((run_id, round_.number), None)
    }
    for name in ("queue_s", "pull_s", "train_s", "push_s"):
        phases[name] = max((getattr(u.timings, name) for u in updates), default=0.0)
    phases["accept_s"] = max((u.accept_s for u in updates), default=0.0)
    phases["accept_total_s"] = sum(u.accept_s for u in updates)
    return phases
