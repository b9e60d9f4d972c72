"""The coordinator's log: a line for each event that a person may look for, made from it."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from common.log import get_logger
from common.units import show_mass
from scheduler.ledger.event import Draft
from scheduler.ledger.events import (
    AssignmentDeclined,
    AssignmentFailed,
    AssignmentReissued,
    Payload,
    RoundClosed,
    RoundEvaluated,
    RoundPlanned,
    RunBlocked,
    RunEnded,
    UpdateRefused,
)

_log = get_logger(__name__)

_SHOWN = 20
"""So many of a cohort are named; the ledger has all."""

_LEVELS = {"run.blocked": "error", "assignment.reissued": "warning", "update.refused": "warning"}

_SILENT = ("client.", "gate.", "grid.", "round.committed", "run.waiting")
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
def _(planned: RoundPlanned) -> dict[str, Any]:
    return {"invited": len(planned.cohort), "first": ",".join(planned.cohort[:_SHOWN])}


@fields.register
def _(closed: RoundClosed) -> dict[str, Any]:
    return {"version": closed.version[:12], "emitted": show_mass(closed.gco2eq)}


@fields.register
def _(evaluated: RoundEvaluated) -> dict[str, Any]:
    return dict(evaluated.metrics)


@fields.register
def _(ended: RunEnded) -> dict[str, Any]:
    return {"reason": ended.reason, "text": ended.text}


@fields.register
def _(blocked: RunBlocked) -> dict[str, Any]:
    return {"step": blocked.step, "reason": blocked.text}


@fields.register
def _(reissued: AssignmentReissued) -> dict[str, Any]:
    return {"reason": reissued.code}


@fields.register
def _(refused: UpdateRefused) -> dict[str, Any]:
    return {"reason": refused.refusal.text}


@fields.register
def _(answered: AssignmentDeclined | AssignmentFailed) -> dict[str, Any]:
    return {"reason": answered.work.reason.text if answered.work.reason else ""}
