"""Blockers: what keeps one client from training for a run now, with the sentence that says so.

The codes are those of a plan's verdicts, so that a plan and every screen give the same reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from common.messages import Reason
from scheduler.federation.client import Client
from scheduler.federation.federation import Federation
from scheduler.federation.round import AssignmentState
from scheduler.federation.run import Run
from scheduler.gate.gate import Gate
from scheduler.gate.sentence import explain
from scheduler.selection.eligibility import MAX_FAILURES, declines, part_code
from scheduler.selection.sentences import SENTENCES

BlockerCode = Literal[
    "silent", "paused", "failing", "too_long", "failed", "declined", "gate_unknown", "busy",
    "gate_closed", "in_round",
]  # fmt: skip
"""Verdict codes that keep a client from being invited, the most pressing first."""

PRESSING: tuple[BlockerCode, ...] = (
    "silent", "paused", "failing", "too_long", "failed", "declined", "gate_unknown",
)  # fmt: skip
"""Those that somebody can do something about, or should know of."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """What keeps a client from training for a run now.

    Attributes:
        client: Which one.
        code: Why, for machines.
        clause: Why, with what to do: "its training failed: no data; correct the workload".
        brief: Client and reason in few words: "lyon failed: no data".
        command: What to run at the site to remove it; empty if there is no such command.
    """

    client: str
    code: BlockerCode
    clause: str
    brief: str
    command: str = ""

    @property
    def sentence(self) -> str:
        """The reason as a table shows it beside the client's name."""
        return f"{self.clause}; {self.remedy}" if self.command else self.clause

    @property
    def remedy(self) -> str:
        """The command with what it does: "start: ..."."""
        return f"{'to go on, at the site' if self.code == 'paused' else 'start'}: {self.command}"


def find_blockers(
    state: Federation, run: Run | None, *, now: datetime, gates: Mapping[str, Gate] | None = None
) -> dict[str, Blocker]:
    """Return the blockers of all clients that cannot be invited now, by client.

    Args:
        state: The federation.
        run: The run they would train for; `None` for any.
        now: The time on the grid clock, aware.
        gates: Each client's gate as judged now; those of the ledger if left out.
    """
    busy = _busy(state)
    found = {}
    for client in state.clients.values():
        if client.retired:
            continue
        gate = client.gate if gates is None else gates.get(client.id)
        blocker = _blocker(client, run, gate=gate, now=now, busy=busy.get(client.id))
        if blocker is not None:
            found[client.id] = blocker
    return found


def _busy(state: Federation) -> dict[str, str]:
    """Return the run for which each client with an open assignment works."""
    return {
        part.client: run.id
        for run in state.active_runs()
        if run.open_round is not None
        for part in run.open_round.open_assignments()
    }


def _blocker(
    client: Client, run: Run | None, *, gate: Gate | None, now: datetime, busy: str | None
) -> Blocker | None:
    """Return what keeps a client from being invited: what concerns its worker goes first."""
    of_worker = _of_worker(client)
    if of_worker is not None:
        return of_worker
    round_ = run.open_round if run else None
    part = round_.cohort.get(client.id) if round_ else None
    if run is not None and round_ is not None and part is not None:
        code = part_code(client, part, round_, now)
        if code is not None:
            return _of_part(client, part, code)
    if busy is not None:
        clause = f"it works for the run {busy} until it has answered"
        return Blocker(client.id, "busy", clause, f"{client.id} works for the run {busy}")
    return _of_past(client, run, now) or _of_gate(client, gate)


def _of_worker(client: Client) -> Blocker | None:
    """Return that a client's worker does not run, or is paused."""
    if not client.alive:
        clause = (
            "its worker is not running"
            if client.incarnation
            else "its worker has never been started"
        )
        start = f"celery -A tasks worker -Q client.{client.id}"
        return Blocker(client.id, "silent", clause, f"{client.id}: {clause}", start)
    if client.paused:
        clause = "its administrator paused it"
        brief = f"{client.id}: {clause}"
        return Blocker(client.id, "paused", clause, brief, "fairwind site resume")
    return None


def _of_past(client: Client, run: Run | None, now: datetime) -> Blocker | None:
    """Return what a client's earlier answers rule out for a while."""
    if run is not None and run.failures.get(client.id, 0) >= MAX_FAILURES:
        return _failing(client, run)
    if run is not None and client.id in run.too_long:
        brief = f"an update takes longer at {client.id} than its site allows"
        return Blocker(client.id, "too_long", SENTENCES["too_long"], brief)
    return _declined(client, client.decline) if declines(client, now) else None


def _declined(client: Client, reason: Reason | None) -> Blocker:
    brief = f"{client.id} declined{because(reason, whole=False)}"
    return Blocker(client.id, "declined", f"it declined{because(reason)}", brief)


def _of_part(
    client: Client, part: AssignmentState, code: Literal["in_round", "failed", "declined"]
) -> Blocker:
    if code == "in_round":
        doing = "takes part in this round"
        return Blocker(client.id, code, f"it {doing}", f"{client.id} {doing}")
    if code == "declined":
        return _declined(client, part.reason)
    why, brief = because(part.reason), because(part.reason, whole=False)
    if part.status == "refused":
        what = f"the update of {client.id} was refused{brief}"
        return Blocker(client.id, code, f"its update was refused{why}", what)
    return Blocker(client.id, code, f"its training failed{why}", f"{client.id} failed{brief}")


def _failing(client: Client, run: Run) -> Blocker:
    problem = run.problems.get(client.id)
    reason, times = problem.reason if problem else None, run.failures[client.id]
    clause = f"its last {times} assignments failed{because(reason)}; then restart its worker"
    brief = f"{client.id} failed {times} times{because(reason, whole=False)}"
    return Blocker(client.id, "failing", clause, brief)


def _of_gate(client: Client, gate: Gate | None) -> Blocker | None:
    if gate is None:
        clause = "its gate has not been judged yet"
        return Blocker(client.id, "gate_unknown", clause, f"{client.id}: {clause}")
    if gate.is_open:
        return None
    if gate.state == "closed":
        brief = f"the gate of {client.id} is closed"
        return Blocker(client.id, "gate_closed", explain(gate), brief)
    brief = f"the carbon intensity of {client.zone} is unknown"
    return Blocker(client.id, "gate_unknown", explain(gate), brief)


def because(reason: Reason | None, *, whole: bool = True) -> str:
    """Return a reason as the end of a sentence: a colon, and what it says.

    Args:
        reason: Why something was not done.
        whole: With what follows and what to do; else only what happened.

    >>> reason = Reason(code="site_failed", text="No data; the assignment failed.")
    >>> because(reason), because(reason, whole=False)
    (': no data; the assignment failed', ': no data')
    """
    if reason is None or not reason.text:
        return ""
    text = reason.text.rstrip(".")
    if not whole:
        text = re.split(r"; |, so |\. ", text, maxsplit=1)[0]
    # An abbreviation or the name of an error keeps its capitals.
    is_word = text[1:2].islower() and text.partition(" ")[0][1:].islower()
    return f": {text[0].lower() if is_word else text[0]}{text[1:]}"
