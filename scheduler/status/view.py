"""The view: a run and its federation as a page or a terminal shows them, made from the ledger.

Everything here is derived; times are epoch seconds on the grid clock unless named otherwise.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from common.clock import GridClock
from common.units import show_duration
from scheduler.federation.federation import Federation, Run
from scheduler.policies.reason import explain as explain_reason
from scheduler.status.client_rows import client_rows
from scheduler.status.clocks import clock_sentence
from scheduler.status.drivers import UNSEEN, Drivers
from scheduler.status.explain import blocked_sentence, explain_run
from scheduler.status.explanation import Explanation
from scheduler.status.rounds import last_rounds
from scheduler.status.summary import summary
from scheduler.status.which_run import find_run, newest_run
from scheduler.status.zones import notice, zones_seen


def view(
    state: Federation,
    run_id: str | None,
    *,
    clock: GridClock,
    threshold: float,
    ceiling: float,
    drivers: Drivers = UNSEEN,
) -> dict[str, Any]:
    """Return what there is to see of one run, or of the newest if none is named.

    `verdict` is the sentence of `explanation`; `beside` has a sentence on clocks that are wrong,
    and on each other run that is blocked; `drivers` says when coordinator and beat were last
    seen, on the wall clock.

    Raises:
        FederationError: If the run that is named does not exist.
    """
    run, now = find_run(state, run_id) if run_id else newest_run(state), clock.now()
    explained = explain_run(state, run, now=now, wall_now=clock.wall_at(now), drivers=drivers)
    return {
        **head(
            state, run, explained, now=now, clock_speed=clock.speed, threshold=threshold,
            ceiling=ceiling, drivers=drivers,
        ),
        "zones": zones_seen(state, run),
        "rounds": last_rounds(run) if run else [],
        "clients": client_rows(state, run, explained.blockers, now=now),
    }  # fmt: skip


def head(
    state: Federation,
    run: Run | None,
    explained: Explanation,
    *,
    now: datetime,
    clock_speed: float,
    threshold: float,
    ceiling: float,
    drivers: Drivers = UNSEEN,
) -> dict[str, Any]:
    """Return what there is to see of a run but for its zones, rounds and clients.

    `explained` is what `explain_run` says of the run at `now`, grid clock.
    """
    return {
        "now": now.timestamp(),
        "clock_speed": clock_speed,
        "verdict": explained.sentence,
        "explanation": explained.to_dict(),
        "why": _why(run),
        "notice": notice(state),
        "beside": [*filter(None, [clock_sentence(state)]), *_blocked_beside(state, run)],
        "drivers": drivers.to_dict(),
        "runs": [
            {"id": r.id, "workload": r.spec.workload, "status": r.status}
            for r in state.runs.values()
        ],
        "run": summary(run) if run else None,
        "threshold": threshold,
        "ceiling": ceiling,
    }


def _blocked_beside(state: Federation, shown: Run | None) -> list[str]:
    """Return a sentence for every blocked run but the one that is shown."""
    others = [run for run in state.active_runs() if run is not shown and run.blocked is not None]
    return [blocked_sentence(run) for run in others]


def _why(run: Run | None) -> str:
    """Return what a run is and why its policy held the open round now, in one line."""
    if run is None:
        return ""
    of = f" of {run.spec.rounds}" if run.spec.rounds else ""
    under_way = run.round_under_way is not None and not run.round_under_way.evaluates
    number = len(run.closed) + (1 if under_way else 0)
    text = f"Round {number}{of}, {run.spec.workload}, policy {run.spec.policy}."
    if run.open_round is not None and (sentence := explain_reason(run.open_round.because)):
        text = f"{text[:-1]}: {sentence}."
    if run.ended_at is not None:
        text += f" Took {show_duration((run.ended_at - run.started_at).total_seconds())}."
    return text
