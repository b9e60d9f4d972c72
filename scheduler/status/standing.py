"""Where a run that goes on stands: what its open round does, or why the next one has not begun."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from common.units import show_duration
from scheduler.federation.federation import Federation
from scheduler.federation.round import Round
from scheduler.federation.run import Run
from scheduler.ledger.events import RunWaiting
from scheduler.policies.reason import explain as explain_reason
from scheduler.status.blocker import PRESSING, Blocker
from scheduler.status.drivers import Drivers
from scheduler.status.explanation import Explanation, ExplanationCode
from scheduler.status.names import agree, show_time
from scheduler.status.shortage import Shortage, clause, command_of, shown


def under_way(state: Federation, run: Run, blockers: Mapping[str, Blocker]) -> Explanation | None:
    """Return what the open round does; `None` if there is none."""
    round_ = run.round_under_way
    if round_ is None:
        return None
    silent = {name for name, blocker in blockers.items() if blocker.code == "silent"}
    training = sorted(
        part.client for part in round_.open_assignments() if part.client not in silent
    )
    if round_.evaluates:
        at = shown(training or sorted(round_.cohort))
        text = f"The last version is being scored at {at}."
        return Explanation("scoring", text)
    if training:
        text = f"{_buffer(run, round_)}Training at {shown(training)}{_beside(blockers)}."
        return Explanation("training", text)
    if run.spec.is_async and round_.manifest is None and len(round_.accepted) < round_.target:
        return _next_of_buffer(state, run, round_, blockers)
    missing = run.spec.quorum - len(round_.accepted)
    if missing <= 0:
        text = f"Aggregating the updates of {shown(sorted(round_.accepted))}."
        return Explanation("aggregating", text)
    return _short(state, run, round_, blockers)


def _buffer(run: Run, round_: Round) -> str:
    """Return how full the buffer of an asynchronous run is; empty for any other run."""
    if not run.spec.is_async:
        return ""
    has = len(round_.accepted)
    return f"Version {round_.number} has {has} of the {round_.target} updates that make it. "


def _next_of_buffer(
    state: Federation, run: Run, round_: Round, blockers: Mapping[str, Blocker]
) -> Explanation:
    """Explain an asynchronous run for which nobody trains now."""
    found = waits(state, run, blockers, needed=1)
    return replace(found, sentence=_buffer(run, round_) + found.sentence)


def _beside(blockers: Mapping[str, Blocker]) -> str:
    """Return what keeps those that do not train, as the rest of a sentence."""
    kinds = Shortage(0, 0, list(blockers.values())).kinds()
    closed = [each.client for each in kinds.pop("gate_closed", [])]
    kinds.pop("busy", None)
    parts = [clause(code, found) for code, found in kinds.items()]
    if closed:
        waits = agree(len(closed), "waits", "wait")
        parts.insert(0, f"{shown(closed)} {waits} for cleaner power")
    return "".join(f"; {part}" for part in parts)


def _short(
    state: Federation, run: Run, round_: Round, blockers: Mapping[str, Blocker]
) -> Explanation:
    """Explain a round that lacks updates while no client works on one."""
    missing = run.spec.quorum - len(round_.accepted)
    shortage = _shortage(state, blockers, missing)
    accepted, quorum = len(round_.accepted), run.spec.quorum
    has = f"Round {round_.number} has {accepted} of {quorum} updates. "
    if shortage.ready:
        text = "Other clients are about to be invited."
        return _of_shortage("about_to_start", has + text, shortage)
    return _of_shortage("too_few", has + shortage.sentence(), shortage)


def idle(
    state: Federation, run: Run, blockers: Mapping[str, Blocker], *, now: datetime, drivers: Drivers
) -> Explanation | None:
    """Explain a run without an open round that wants none now; `None` if one is due."""
    if drivers.beat.is_missing:
        return Explanation("beat_missing", drivers.beat.sentence())
    if run.complete:
        return _wants_score(run, blockers)
    if run.due_at is not None and run.due_at > now:
        shortage = _shortage(state, blockers, run.spec.quorum)
        return _not_due(run.due_at, now, shortage)
    return None


def waits(
    state: Federation, run: Run, blockers: Mapping[str, Blocker], *, needed: int | None = None
) -> Explanation:
    """Explain a run whose next round is due and has not begun, for want of `needed` clients."""
    shortage, waiting = _shortage(state, blockers, needed or run.spec.quorum), run.waiting
    if shortage.ready < shortage.needed:
        return _of_shortage("too_few", shortage.sentence(), shortage)
    if waiting is not None and waiting.reason == "policy_waits":
        text = _policy_waits(run, waiting, shortage.ready)
        return _of_shortage("policy_waits", text, shortage, next_at=waiting.best_at)
    if waiting is not None and waiting.reason == "over_budget":
        text = f"What is left of the gram budget of {run.id} does not cover another round."
        return _of_shortage("over_budget", text, shortage)
    text = "Clients are about to be invited." if needed else "The next round is about to start."
    return _of_shortage("about_to_start", text, shortage)


def _wants_score(run: Run, blockers: Mapping[str, Blocker]) -> Explanation:
    """Explain a run whose rounds are all closed, and which is not over yet."""
    if not run.sites_evaluate or (run.scored_here and run.closed[-1].evaluation is None):
        text = "All rounds are done; the last version is being scored."
        return Explanation("scoring", text)
    cohort = run.closed[-1].cohort
    kept = [blockers[name] for name in cohort if name in blockers]
    text = "All rounds are done; a site is still to score the last version. "
    busy = any(each.code == "busy" for each in kept)  # it waits for these
    shortage = Shortage(len(cohort) if busy else 1, len(cohort) - len(kept), kept)
    more = "One is about to be invited." if shortage.ready and not busy else shortage.sentence()
    return _of_shortage("scoring", text + more, shortage)


def _not_due(due_at: datetime, now: datetime, shortage: Shortage) -> Explanation:
    """Explain a run whose next round is due later, and what would keep it from starting then."""
    left = show_duration((due_at - now).total_seconds())
    text = f"Next round {show_time(due_at, now)}, in {left}."
    pressing = [each for each in shortage.blockers if each.code in PRESSING]
    if shortage.ready < shortage.needed and pressing:
        parts = "; ".join(clause(*kind) for kind in Shortage(0, 0, pressing).kinds().items())
        text += f" It cannot start yet ({shortage.counts()}): {parts}.{command_of(pressing)}"
    return _of_shortage("not_due", text, shortage, next_at=due_at)


def _policy_waits(run: Run, waiting: RunWaiting, ready: int) -> str:
    sentence = explain_reason(waiting.because, best_at=waiting.best_at)
    if sentence:
        return f"The policy {run.spec.policy} {sentence}."
    could = f"{ready} {agree(ready, 'client', 'clients')} could train"
    return f"The policy {run.spec.policy} waits for a better hour, although {could}."


def _shortage(state: Federation, blockers: Mapping[str, Blocker], needed: int) -> Shortage:
    others = [each for each in blockers.values() if each.code != "in_round"]
    return Shortage(needed, len(state.enrolled()) - len(blockers), others)


def _of_shortage(
    code: ExplanationCode,
    sentence: str,
    shortage: Shortage,
    *,
    next_at: datetime | None = None,
) -> Explanation:
    return Explanation(
        code, sentence, needed=shortage.needed, ready=shortage.ready, next_at=next_at,
    )  # fmt: skip
