"""What each kind of event says, as one line has it: a formatter for every kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from common.clock_difference import show_difference
from common.units import show_bytes, show_duration, show_energy, show_intensity, show_mass
from scheduler.gate.gate import Gate
from scheduler.gate.sentence import explain
from scheduler.ledger.event import Event
from scheduler.ledger.events import GateChanged, RunWaiting, WorkRecord
from scheduler.status.explain import END_REASONS
from scheduler.status.scores import reported
from tasks.cli.figures import show_metrics, show_reported

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


def _answered(did: str) -> Callable[[Any], str]:
    def text(payload: Any) -> str:
        reason = payload.work.reason
        return f"{did}: {reason.text if reason else 'no reason given'} ({_work(payload)})"

    return text


def _gate(payload: GateChanged) -> str:
    return f"gate {explain(Gate(payload.state, payload.since, payload.reason, payload.numbers))}"


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
    limits = [
        *([f"{spec.rounds} rounds"] if spec.rounds else []),
        *([f"{spec.hours:g} h"] if spec.hours else []),
        *([show_mass(spec.grams)] if spec.grams else []),
    ]
    begun = [f"from model {spec.init_from[:_HASH]}"] if spec.init_from else []
    return f"run started: {', '.join([spec.workload, *begun, *limits, f'policy {spec.policy}'])}"


def _waiting(payload: RunWaiting) -> str:
    codes = list(payload.codes.values())
    counts = [f"{codes.count(code)} {code.replace('_', ' ')}" for code in dict.fromkeys(codes)]
    reason = payload.reason.replace("_", " ")
    return ": ".join(filter(None, [f"waits, {reason}", _listed(counts)]))


def _planned(payload: Any) -> str:
    doing = "scored at" if payload.evaluates else "planned:"
    expected = payload.expected_gco2eq
    grams = f", about {show_mass(expected)} expected" if expected else ""
    return f"{doing} {_listed(sorted(payload.cohort))}{grams}"


def _closed(payload: Any) -> str:
    baseline = payload.baseline_gco2eq
    run_now = "unknown" if baseline is None else show_mass(baseline)
    used = f"{show_energy(payload.energy_wh)}, {show_mass(payload.gco2eq)}"
    return f"closed: {used} (run now: {run_now})"


def _opened(payload: Any) -> str:
    text = f"begun: {payload.num_params:,} parameters, version {payload.version[:_HASH]}"
    return text + (f", {show_metrics(payload.evaluation.metrics)}" if payload.evaluation else "")


def _scored(payload: Any) -> str:
    found = [
        show_metrics({name: value}) + show_reported(reported(payload, name))
        for name, value in payload.metrics.items()
    ]
    return f"scored: {', '.join(found) or 'no score'}"


def _accepted(payload: Any) -> str:
    counted = payload.admission
    examples = f"{counted.num_examples} examples, norm {counted.norm:.3g}"
    afresh = ", started afresh: its memory was lost at the site" * payload.work.memory_lost
    return f"update accepted: {_work(payload)}, {examples}{afresh}"


def _uncounted(why: str) -> Callable[[Any], str]:
    return lambda payload: f"update not counted, {why}: {_work(payload)}"


TEXTS: Mapping[str, Callable[[Any], str]] = {
    "client.enrolled": lambda p: (
        f"enrolled in {p.zone}"
        + (f", at most {p.num_examples} examples count" if p.num_examples else "")
        + (f", with a kit to join before {p.join_before:%Y-%m-%d %H:%M} UTC" if p.kit_key else "")
    ),
    "client.key_accepted": lambda p: f"joined with its kit: signs with {p.key}",
    "client.revoked": lambda _: "revoked: its key and its Redis user are worth nothing",
    "client.retired": lambda _: "retired",
    "client.joined": lambda p: f"ready: process {p.pid} on {p.host}",
    "client.silent": lambda _: "its worker is not running",
    "client.idle_stated": lambda p: (
        "does not state what its machine draws while it waits"
        if p.idle_w is None
        else f"its machine draws {p.idle_w:g} W at the wall while it waits"
    ),
    "client.clock_compared": lambda p: (
        f"its clock is {show_difference(p.ahead_s)}" if p.ahead_s else "its clock is right again"
    ),
    "client.policy_changed": lambda p: (
        "has no site policy that can be read"
        if p.version is None
        else f"has site policy {p.version}"
    ),
    "client.paused": lambda _: "paused by its administrator",
    "client.resumed": lambda _: "resumed by its administrator",
    "gate.changed": _gate,
    "grid.read": _readings,
    "grid.caught_up": _hours,
    "grid.settled": _hours,
    "signal.fell_back": lambda p: (
        f"{p.zone}: carbon source {p.active_source or 'none'} instead of {p.expected}: {p.why}"
    ),
    "signal.recovered": lambda p: f"{p.zone}: carbon source {p.active_source}",
    "run.started": _started,
    "run.opened": _opened,
    "run.waiting": _waiting,
    "run.blocked": lambda p: f"blocked: {p.text}",
    "run.unblocked": lambda _: "goes on",
    "run.paused": lambda _: "paused: no further round starts",
    "run.resumed": lambda _: "goes on",
    "run.stop_requested": lambda _: "is to stop",
    "run.ended": lambda p: f"has ended: {END_REASONS[p.reason]}{'. ' if p.text else ''}{p.text}",
    "round.planned": _planned,
    "round.committed": lambda p: f"committed: {len(p.manifest)} updates count",
    "round.closed": _closed,
    "round.evaluated": _scored,
    "assignment.reissued": lambda p: (
        f"assignment issued again: {p.code.replace('_', ' ')}, attempt {p.attempt + 1}"
    ),
    "assignment.given_up": lambda p: f"no answer: {p.reason.text}",
    "assignment.evaluated": lambda p: f"scored: {show_metrics(p.work.metrics)} ({_work(p)})",
    "assignment.declined": _answered("assignment declined"),
    "assignment.failed": _answered("assignment failed"),
    "update.accepted": _accepted,
    "update.lost": lambda p: f"update lost, requested again: its bytes are {p.fault} here",
    "update.restored": _accepted,
    "update.late": _uncounted("too late"),
    "update.duplicate": _uncounted("a duplicate"),
    "update.conflicting": _uncounted("another one came before"),
    "update.refused": lambda p: f"update refused: {p.refusal.text} ({_work(p)})",
}
"""By kind. A test compares it with the catalogue of kinds."""
