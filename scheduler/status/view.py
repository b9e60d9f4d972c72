"""The view: a run and its federation as a page or a terminal shows them, made from the ledger.

Everything here is derived; times are epoch seconds on the grid clock unless named otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.clock import GridClock
from common.errors import FederationError
from common.messages import Reason
from common.units import show_duration
from scheduler.federation.client import Client
from scheduler.federation.federation import Federation, Run
from scheduler.federation.round import Round
from scheduler.gate.sentence import explain
from scheduler.ledger.events import Step
from scheduler.policies.reason import explain as explain_reason
from scheduler.selection.plan import SENTENCES
from scheduler.status.rounds import last_rounds
from scheduler.status.zones import fallback, listed, notice, reading_now, zones_seen


def view(
    state: Federation, run_id: str | None, *, clock: GridClock, threshold: float, ceiling: float
) -> dict[str, Any]:
    """Return what there is to see of one run, or of the newest if none is named.

    Raises:
        FederationError: If the run that is named does not exist.
    """
    run = find_run(state, run_id) if run_id else newest_run(state)
    return {
        **head(state, run, clock=clock, threshold=threshold, ceiling=ceiling),
        "zones": zones_seen(state, run),
        "rounds": last_rounds(run) if run else [],
        "clients": client_rows(state, run),
    }


def head(
    state: Federation, run: Run | None, *, clock: GridClock, threshold: float, ceiling: float
) -> dict[str, Any]:
    """Return what there is to see of a run but for its zones, rounds and clients."""
    return {
        "now": clock.now().timestamp(),
        "clock_speed": clock.speed,
        "verdict": verdict(state, run),
        "why": _why(run),
        "notice": "\n".join([*_blocked_beside(state, run), *filter(None, [notice(state)])]) or None,
        "runs": [
            {"id": r.id, "workload": r.spec.workload, "status": r.status}
            for r in state.runs.values()
        ],
        "run": summary(run) if run else None,
        "threshold": threshold,
        "ceiling": ceiling,
    }


def client_rows(state: Federation, run: Run | None) -> list[dict[str, Any]]:
    """Return a row for each client that is enrolled, in the order of enrolment."""
    rounds: Mapping[str, int] = run.closed.sums.rounds if run else {}
    return [
        _client(c, run, state, rounds.get(c.id, 0)) for c in state.clients.values() if not c.retired
    ]


def find_run(state: Federation, run_id: str) -> Run:
    """Return a run by its name.

    Raises:
        FederationError: If there is none.
    """
    if run_id not in state.runs:
        known = ", ".join(state.runs) or "none yet"
        msg = f"There is no run {run_id!r}, so there is nothing to show. There are: {known}."
        raise FederationError(msg)
    return state.runs[run_id]


def summary(run: Run) -> dict[str, Any]:
    """Return a run's figures: progress, score, emissions, and what waiting avoided."""
    sums = run.closed.sums
    baseline, fleet, emitted = sums.baseline_gco2eq, sums.fleet_gco2eq, sums.gco2eq
    avoided = None if baseline is None else baseline - emitted
    last = run.closed[-1] if run.closed else None
    metric = run.spec.metric
    return {
        "id": run.id,
        "workload": run.spec.workload,
        "policy": run.spec.policy,
        "status": run.status,
        "reason": run.end_reason,
        "blocked": None
        if run.blocked is None
        else {
            "step": run.blocked.step,
            "text": run.blocked.text,
            "since": run.blocked.since.timestamp(),
        },
        "rounds_done": len(run.closed),
        "rounds_total": run.spec.rounds,
        "metric": metric,
        "value": run.last_value,
        "best": run.best_value,
        "energy_wh": sums.energy_wh,
        "emitted_gco2eq": emitted,
        "baseline_gco2eq": baseline,
        "avoided_gco2eq": avoided,
        "avoided_share": avoided / baseline if avoided is not None and baseline else None,
        "place_gco2eq": None if fleet is None else fleet - emitted,
        "uncounted_gco2eq": run.uncounted_gco2eq,
        "uncounted_wh": run.uncounted_wh,
        "booked_gco2eq": run.totals.gco2eq,
        "settled_gco2eq": run.totals.settled_gco2eq,
        "unknown_wh": run.totals.unknown_wh,
        "apart_gco2eq": run.totals.apart_gco2eq,
        "unreported": run.totals.unreported,
        "delay_s": (last.ended - last.baseline_ended).total_seconds() if last else 0.0,
        "started": run.grid_started_at.timestamp(),
        "ended": run.grid_ended_at.timestamp() if run.grid_ended_at else None,
        "version": run.version,
        "best_version": run.best_version,
        "model": f"FAIRWIND_HOME/runs/{run.id}/best.safetensors" if _is_exported(run) else None,
    }


def verdict(state: Federation, run: Run | None) -> str:
    """Return in one sentence what happens now."""
    if run is None:
        return "No run yet. Start one with: fairwind run start digits --rounds 12"
    if run.ended_at is not None:
        return f"{run.id} has ended: {_END[run.end_reason or 'rounds']}. {run.end_text}".rstrip()
    if run.blocked is not None:
        return (
            f"{_blocked(run)} It is tried again by itself; to end the run: fairwind run stop "
            f"{run.id}"
        )
    if run.open_round is not None:
        return _under_way(state, run.open_round, run.spec.quorum)
    if run.version is None:
        return (
            f"{run.id} waits for a coordinator: celery -A tasks worker -Q coordinator,aggregation"
        )
    return _waiting(state, run)


def _is_exported(run: Run) -> bool:
    return run.ended_at is not None and run.version is not None and not run.end_text


def _blocked(run: Run) -> str:
    assert run.blocked is not None  # noqa: S101 - the caller looked
    return f"{run.id} is blocked, as {_STEPS[run.blocked.step]} fails: {run.blocked.text}"


def _blocked_beside(state: Federation, shown: Run | None) -> list[str]:
    """Return a sentence for every blocked run but the one that is shown."""
    others = [run for run in state.active_runs() if run is not shown and run.blocked is not None]
    return [_blocked(run) for run in others]


_STEPS: Mapping[Step, str] = {
    "open": "making its first version",
    "collect": "issuing its assignments again",
    "receive": "receiving its updates",
    "close": "closing its round",
    "plan": "planning its next round",
    "score": "scoring its newest version",
    "end": "exporting its models",
}


def _under_way(state: Federation, round_: Round, quorum: int) -> str:
    training = [part.client for part in round_.open_assignments()]
    if round_.evaluates:
        return f"The last version is being scored at {listed(training or sorted(round_.cohort))}."
    if not training and len(round_.accepted) < quorum:
        return (
            f"Round {round_.number} has {len(round_.accepted)} of the {quorum} updates it needs, "
            "and no client can be invited now. `fairwind clients` shows why."
        )
    doing = (
        f"Training at {listed(training)}"
        if training
        else f"Aggregating the updates of {listed(sorted(round_.accepted))}"
    )
    closed = _named(state, "closed")
    if not closed:
        return f"{doing}."
    return f"{doing}; {listed(closed)} {_verb(closed, 'waits', 'wait')} for cleaner power."


def _waiting(state: Federation, run: Run) -> str:
    opened = [c.id for c in state.clients.values() if c.alive and c.gate and c.gate.is_open]
    waiting = run.waiting
    if waiting is not None and waiting.reason == "policy_waits":
        sentence = explain_reason(waiting.because, best_at=waiting.best_at)
        if sentence:
            return f"The policy {run.spec.policy} {sentence}."
        return (
            f"The policy {run.spec.policy} waits for a better hour, although {len(opened)} "
            f"{_verb(opened, 'client', 'clients')} could train."
        )
    if len(opened) >= run.spec.quorum:
        return "Waiting until the next round is due."
    if not opened:
        return "Waiting for clean power: no client is alive with an open gate."
    return (
        f"Waiting for clean power: of the {run.spec.quorum} clients a round needs, {len(opened)} "
        f"{_verb(opened, 'is', 'are')} alive with an open gate."
    )


_END: Mapping[str, str] = {
    "rounds": "all its rounds are done",
    "hours": "its time is spent",
    "grams": "its gram budget is spent",
    "stopped": "it was stopped",
}


def _why(run: Run | None) -> str:
    if run is None:
        return ""
    of = f" of {run.spec.rounds}" if run.spec.rounds else ""
    under_way = run.open_round is not None and not run.open_round.evaluates
    number = len(run.closed) + (1 if under_way else 0)
    text = f"Round {number}{of}, {run.spec.workload}, policy {run.spec.policy}."
    if run.open_round is not None and (sentence := explain_reason(run.open_round.because)):
        text = f"{text[:-1]}: {sentence}."
    if run.waiting is not None and run.open_round is None:
        codes = run.waiting.codes
        text += " " + "; ".join(
            f"{client}: {code.replace('_', ' ')}" for client, code in sorted(codes.items())
        )
    if run.end_reason:
        text += (
            f" Took {show_duration((run.ended_at - run.started_at).total_seconds())}."
            if run.ended_at
            else ""
        )
    return text


def newest_run(state: Federation) -> Run | None:
    """Return the newest run that is not over; if all are, the newest one."""
    active = [run for run in state.runs.values() if run.ended_at is None]
    runs = active or list(state.runs.values())
    return runs[-1] if runs else None


def _named(state: Federation, gate: str) -> list[str]:
    return [c.id for c in state.clients.values() if c.alive and c.gate and c.gate.state == gate]


def _verb(names: list[str], one: str, many: str) -> str:
    return one if len(names) == 1 else many


def _client(client: Client, run: Run | None, state: Federation, rounds: int) -> dict[str, Any]:
    reading = reading_now(state, client.zone)
    part = run.open_round.cohort.get(client.id) if run and run.open_round else None
    return {
        "client": client.id,
        "zone": client.zone,
        "intensity": reading["gco2eq_per_kwh"] if reading else None,
        "reading": reading,
        "signal": fallback(state, client.zone),
        "gate": client.gate.state if client.gate else "unknown",
        "state": _state(client, part.status if part else None),
        "why": _reason(client, part.reason if part else None),
        "energy_wh": client.energy_wh,
        "gco2eq": client.gco2eq,
        "rounds": rounds,
        "latency_s": client.latency_s,
        "expected_wh": client.energy_per_update_wh,
    }


def _state(client: Client, part: str | None) -> str:
    if not client.alive:
        return "silent" if client.incarnation else "never seen"
    if part is not None:
        return "training" if part == "open" else part.replace("_", " ")
    return "idle" if client.gate and client.gate.is_open else "waiting"


def _reason(client: Client, reason: Reason | None) -> str:
    if not client.alive:
        return SENTENCES["silent"]
    if reason is not None:
        return reason.text
    return explain(client.gate) if client.gate else "not judged yet"
