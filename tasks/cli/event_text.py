"""What each kind of event says in one line: a formatter for every kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from common.units import show_bytes, show_duration, show_energy, show_intensity, show_mass
from scheduler.ledger.event import Event
from scheduler.ledger.events import GateChanged, RunWaiting, WorkRecord

_MANY = 4
"""So many names or zones are listed; the others are counted."""

_HASH = 12
"""Characters of a hash that are shown."""


def event_line(event: Event) -> str:
    """Return an event in one line: when, what, about what, and its figures."""
    about = " ".join(
        part for part in (event.run, f"round {event.round}" if event.round else "", event.client)
        if part
    )  # fmt: skip
    text = TEXTS[event.kind](event.payload)
    return f"{event.at:%Y-%m-%d %H:%M:%S}  {event.kind:<21}  {about:<24}  {text}".rstrip()


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    return ", ".join(names[:_MANY]) + more


def _work(payload: Any) -> str:
    work: WorkRecord = payload.work
    energy = "energy unknown" if work.energy_wh is None else show_energy(work.energy_wh)
    grams = "emissions unknown" if work.gco2eq is None else show_mass(work.gco2eq)
    sent = f", sent {show_bytes(work.nbytes)}" if work.nbytes else ""
    took = show_duration((work.ended_at - work.started_at).total_seconds())
    return f"{energy}, {grams}{sent}, {took}"


def _declined(payload: Any) -> str:
    reason = payload.work.reason
    return f"{reason.text if reason else 'no reason given'} ({_work(payload)})"


def _gate(payload: GateChanged) -> str:
    intensity = payload.numbers.get("intensity_gco2eq_per_kwh")
    reason = payload.reason.replace("_", " ")
    return f"{payload.state.replace('_', ' ')}: {reason}, {show_intensity(intensity)}"


def _readings(payload: Any) -> str:
    return _listed(
        [
            f"{zone} {show_intensity(reading and reading.gco2eq_per_kwh)}"
            for zone, reading in sorted(payload.readings.items())
        ]
    )


def _hours(payload: Any) -> str:
    return _listed([f"{zone} {len(each)} h" for zone, each in sorted(payload.readings.items())])


def _started(payload: Any) -> str:
    spec = payload.spec
    budgets = (
        (spec.rounds, f"{spec.rounds} rounds"), (spec.hours, f"{spec.hours} h"),
        (spec.grams, f"{spec.grams} gCO2eq"),
    )  # fmt: skip
    limits = [text for value, text in budgets if value]
    return ", ".join([spec.workload, f"policy {spec.policy}", *limits])


def _waiting(payload: RunWaiting) -> str:
    codes = list(payload.codes.values())
    counts = [f"{codes.count(code)} {code.replace('_', ' ')}" for code in dict.fromkeys(codes)]
    return ": ".join(filter(None, [payload.reason.replace("_", " "), _listed(counts)]))


def _planned(payload: Any) -> str:
    doing = "scores" if payload.evaluates else "invites"
    expected = payload.expected_gco2eq
    grams = "" if expected is None else f", about {show_mass(expected)} expected"
    return f"{doing} {_listed(payload.cohort)}{grams}"


def _closed(payload: Any) -> str:
    baseline = payload.baseline_gco2eq
    run_now = "unknown" if baseline is None else show_mass(baseline)
    used = f"{show_energy(payload.energy_wh)}, {show_mass(payload.gco2eq)}"
    return f"{used} (run now: {run_now}), version {payload.version[:_HASH]}"


def _metrics(payload: Any) -> str:
    scores = [f"{name} {value:.4g}" for name, value in payload.metrics.items()]
    return _listed(scores) or "no score"


def _accepted(payload: Any) -> str:
    counted = payload.admission
    return f"{_work(payload)}, {counted.num_examples} examples, norm {counted.norm:.3g}"


TEXTS: Mapping[str, Callable[[Any], str]] = {
    "client.enrolled": lambda p: (
        p.zone + (f", at most {p.num_examples} examples count" if p.num_examples else "")
    ),
    "client.retired": lambda _: "",
    "client.joined": lambda p: f"process {p.pid} on {p.host}",
    "client.silent": lambda _: "no heartbeat",
    "client.paused": lambda _: "by the site's administrator",
    "client.resumed": lambda _: "by the site's administrator",
    "gate.changed": _gate,
    "grid.read": _readings,
    "grid.caught_up": _hours,
    "grid.settled": _hours,
    "signal.fell_back": lambda p: (
        f"{p.zone}: {p.active_source or 'no source'} instead of {p.expected}: {p.why}"
    ),
    "signal.recovered": lambda p: f"{p.zone}: {p.active_source}",
    "run.started": _started,
    "run.opened": lambda p: f"{p.num_params:,} parameters, version {p.version[:_HASH]}",
    "run.waiting": _waiting,
    "run.blocked": lambda p: f"{p.step}: {p.text}",
    "run.unblocked": lambda _: "the step that failed has succeeded",
    "run.paused": lambda _: "its open round is finished, no other begins",
    "run.resumed": lambda _: "",
    "run.stop_requested": lambda _: "",
    "run.ended": lambda p: f"{p.reason}{': ' if p.text else ''}{p.text}",
    "round.planned": _planned,
    "round.committed": lambda p: f"{len(p.manifest)} updates count",
    "round.closed": _closed,
    "round.evaluated": _metrics,
    "assignment.reissued": lambda p: f"{p.code.replace('_', ' ')}, attempt {p.attempt + 1}",
    "assignment.given_up": lambda p: p.reason.text,
    "assignment.evaluated": lambda p: ", ".join(
        [*(f"{name} {value:.4g}" for name, value in p.work.metrics.items()), _work(p)]
    ),
    "assignment.declined": _declined,
    "assignment.failed": _declined,
    "update.accepted": _accepted,
    "update.late": _work,
    "update.duplicate": _work,
    "update.conflicting": _work,
    "update.refused": lambda p: f"{p.refusal.text} ({_work(p)})",
}
"""By kind. A test compares it with the catalogue of kinds."""
