"""The coordinator's log: a line for each event that a person may look for, made from it."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from common.clock_difference import TO_SET_IT_RIGHT, show_difference
from common.log import get_logger
from common.units import show_energy, show_mass
from scheduler.ledger.event import Draft
from scheduler.ledger.events import (
    AssignmentDeclined,
    AssignmentFailed,
    AssignmentGivenUp,
    AssignmentReissued,
    ClientClockCompared,
    ClientIdleStated,
    ClientJoined,
    ClientKeyAccepted,
    Payload,
    RoundClosed,
    RoundEvaluated,
    RoundPlanned,
    RunBlocked,
    RunEnded,
    RunOpened,
    SignalFellBack,
    SignalRecovered,
    UpdateLost,
    UpdateRefused,
)

_log = get_logger(__name__)

_SHOWN = 20
"""So many of a cohort are named; the ledger has all."""

_LEVELS = {
    "run.blocked": "error",
    "assignment.given_up": "warning",
    "assignment.reissued": "warning",
    "client.silent": "warning",
    "client.clock_compared": "warning",
    "signal.fell_back": "warning",
    "update.lost": "warning",
    "update.refused": "warning",
    "update.accepted": "debug",
    "update.restored": "info",
}
"""Kinds that are worth more or less than *info*; a round's line counts its updates together."""

_SILENT = ("gate.", "grid.", "round.committed", "run.waiting")
"""Kinds that are left to the ledger: there are many, and they say little one by one."""


def log_event(draft: Draft) -> None:
    """Write what was just recorded, named by its kind."""
    if draft.kind.startswith(_SILENT):
        return
    envelope = (("run", draft.run), ("round", draft.round), ("client", draft.client))
    about: dict[str, Any] = {name: value for name, value in envelope if value}
    level = _LEVELS.get(draft.kind, "info")
    getattr(_log, level)(draft.kind, **about, **fields(draft.payload))


@singledispatch
def fields(payload: Payload) -> dict[str, Any]:  # noqa: ARG001 - the kinds below have some
    """Return what a line says beyond the kind and what it is about."""
    return {}


@fields.register
def _(accepted: ClientKeyAccepted) -> dict[str, Any]:
    return {"key": accepted.key}


@fields.register
def _(planned: RoundPlanned) -> dict[str, Any]:
    return {"invited": len(planned.cohort), "first": ",".join(planned.cohort[:_SHOWN])}


@fields.register
def _(closed: RoundClosed) -> dict[str, Any]:
    run_now = closed.baseline_gco2eq
    return {
        "energy": show_energy(closed.energy_wh),
        "emitted": show_mass(closed.gco2eq),
        "run_now": "unknown" if run_now is None else show_mass(run_now),
        "version": closed.version[:12],
    }


@fields.register
def _(evaluated: RoundEvaluated) -> dict[str, Any]:
    return dict(evaluated.metrics)


@fields.register
def _(opened: RunOpened) -> dict[str, Any]:
    return {"parameters": opened.num_params, "version": opened.version[:12]}


@fields.register
def _(ended: RunEnded) -> dict[str, Any]:
    return {"reason": ended.reason} | ({"text": ended.text} if ended.text else {})


@fields.register
def _(blocked: RunBlocked) -> dict[str, Any]:
    return {"step": blocked.step, "reason": blocked.text}


@fields.register
def _(joined: ClientJoined) -> dict[str, Any]:
    return {"host": joined.host, "pid": joined.pid}


@fields.register
def _(stated: ClientIdleStated) -> dict[str, Any]:
    return {"idle_w": stated.idle_w}


@fields.register
def _(compared: ClientClockCompared) -> dict[str, Any]:
    clock = show_difference(compared.ahead_s) if compared.ahead_s else "right again"
    return {"clock": clock} | ({"remedy": TO_SET_IT_RIGHT} if compared.ahead_s else {})


@fields.register
def _(fell_back: SignalFellBack) -> dict[str, Any]:
    return {
        "zone": fell_back.zone,
        "expected": fell_back.expected,
        "active": fell_back.active_source or "none",
        "reason": fell_back.why,
    }


@fields.register
def _(recovered: SignalRecovered) -> dict[str, Any]:
    return {"zone": recovered.zone, "active": recovered.active_source}


@fields.register
def _(given_up: AssignmentGivenUp) -> dict[str, Any]:
    return {"reason": given_up.code}


@fields.register
def _(reissued: AssignmentReissued) -> dict[str, Any]:
    return {"reason": reissued.code}


@fields.register
def _(lost: UpdateLost) -> dict[str, Any]:
    return {"bytes": lost.sha256[:12], "fault": lost.fault}


@fields.register
def _(refused: UpdateRefused) -> dict[str, Any]:
    return {"reason": refused.refusal.text}


@fields.register
def _(answered: AssignmentDeclined | AssignmentFailed) -> dict[str, Any]:
    return {"reason": answered.work.reason.text if answered.work.reason else ""}
