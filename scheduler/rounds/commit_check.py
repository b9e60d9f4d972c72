"""Manifests recomputed: what each update of a round weighs, and by what their sum is divided.

Replay makes a version from its round's manifest. Here the manifest itself is worked out anew, from
the updates that the ledger has accepted, the weights of the plan, and the rounds before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scheduler.federation.federation import Federation
from scheduler.federation.fold import apply
from scheduler.ledger.event import Event
from scheduler.ledger.events import RoundCommitted
from scheduler.rounds.payloads import round_committed


@dataclass(frozen=True, slots=True)
class CommitCheck:
    """One round's manifest, compared with what was recomputed.

    Attributes:
        seq: The event that fixed it.
        run: The run's name.
        round: Its number in the run.
        fault: What differs; empty if nothing does.
    """

    seq: int
    run: str
    round: int
    fault: str = ""


def check_commits(events: Iterable[Event]) -> Iterator[CommitCheck]:
    """Yield what was found of every manifest.

    Args:
        events: All of a ledger, in order; they are folded anew.
    """
    state = Federation()
    for event in events:
        if isinstance(event.payload, RoundCommitted):
            fault = _fault(state, event, event.payload)
            yield CommitCheck(event.seq, event.run, event.round, fault)
        apply(state, event)


def _fault(state: Federation, event: Event, committed: RoundCommitted) -> str:
    """Return what differs from the manifest that follows from the events before."""
    run = state.runs[event.run]
    if run.open_round is None:
        return "a manifest of a round that is not open"
    ours = round_committed(state, run, run.open_round)
    for name in ("manifest", "divisor", "total", "latest", "controls"):
        written, recomputed = getattr(committed, name), getattr(ours, name)
        if written == recomputed:
            continue
        if isinstance(written, int) and isinstance(recomputed, int):
            return f"its {name} is {written:,}; its updates and earlier rounds give {recomputed:,}"
        return f"its {name} is not what its updates and earlier rounds give"
    return ""
