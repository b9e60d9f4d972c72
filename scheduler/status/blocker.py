"""Blockers: what keeps one client from training for a run now, with the sentence that says so.

The codes are those of a plan's verdicts, so that a plan and every screen give the same reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from common.messages import Reason
from scheduler.federation.client import Client
from scheduler.federation.federation import Federation
from scheduler.federation.problem import Problem
from scheduler.federation.run import Run
from scheduler.gate.gate import Gate
from scheduler.gate.sentence import explain
from scheduler.selection.eligibility import HoldCode, hold, part_code
from scheduler.selection.sentences import SENTENCES
from scheduler.status.names import show_second, show_time

BlockerCode = Literal[
    "silent", "paused", "failing", "too_long", "failed", "overdue", "undelivered", "declined",
    "gate_unknown", "busy", "gate_closed", "in_round",
]  # fmt: skip
"""Verdict codes that keep a client from being invited, the most pressing first."""

PRESSING: tuple[BlockerCode, ...] = (
    "silent", "paused", "failing", "too_long", "failed", "overdue", "undelivered", "declined",
    "gate_unknown",
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
        until: When it ends by itself, on the wall clock; `None` if that is unknown.
    """

    client: str
    code: BlockerCode
    clause: str
    brief: str
    command: str = ""
    until: datetime | None = None

    @property
    def sentence(self) -> str:
        """The reason as a table shows it beside the client's name."""
        return f"{self.clause}; {self.remedy}" if self.command else self.clause

    @property
    def remedy(self) -> str:
        """The command with what it does: "start: ..."."""
        return f"{'to go on, at the site' if self.code == 'paused' else 'start'}: {self.command}"


def find_blockers(
    state: Federation,
    run: Run | None,
    *,
    now: datetime,
    wall_now: datetime,
    gates: Mapping[str, Gate] | None = None,
) -> dict[str, Blocker]:
    """Return the blockers of all clients that cannot be invited now, by client.

    Args:
        state: The federation.
        run: The run they would train for; `None` for any.
        now: The time on the grid clock, aware.
        wall_now: The same instant on the wall clock.
        gates: Each client's gate as judged now; those of the ledger if left out.
    """
    busy = _busy(state)
    found = {}
    for client in state.clients.values():
        if client.retired:
            continue
        gate = client.gate if gates is None else gates.get(client.id)
        blocker = (
            _of_worker(client)
            or _of_part(client, run, now)
            or _of_busy(client, busy.get(client.id))
            or _of_past(client, run, now=now, wall_now=wall_now)
            or _of_gate(client, gate)
        )
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


def _of_part(client: Client, run: Run | None, now: datetime) -> Blocker | None:
    """Return that a client has its part in the open round already."""
    round_ = run.open_round if run else None
    part = round_.cohort.get(client.id) if round_ else None
    code = part_code(part, now) if part is not None else None
    if part is None or code is None:
        return None
    if code == "declined":
        blocker = _declined(client, part.reason)
        again = f"it is invited again after {show_time(part.valid_until, now)}"
        return replace(blocker, clause=f"{blocker.clause}; {again}")
    doing = "takes part in this round"
    return Blocker(client.id, code, f"it {doing}", f"{client.id} {doing}")


def _of_busy(client: Client, busy: str | None) -> Blocker | None:
    if busy is None:
        return None
    clause = f"it works for the run {busy} until it has answered"
    return Blocker(client.id, "busy", clause, f"{client.id} works for the run {busy}")


def _of_past(
    client: Client, run: Run | None, *, now: datetime, wall_now: datetime
) -> Blocker | None:
    """Return what a client's earlier answers rule out for a while."""
    problem = run.problems.get(client.id) if run else None
    code = hold(client, problem, now=now, wall_now=wall_now)
    if code is None:
        return None
    if problem is None or not problem.holds(wall_now):
        return _declined(client, client.decline)
    if code == "declined":
        return _declined(client, problem.reason, problem, wall_now)
    what, brief = _happened(client, problem, code)
    clause = f"{what}; {_again(problem, wall_now)}"
    return Blocker(client.id, code, clause, brief, until=problem.until)


def _declined(
    client: Client,
    reason: Reason | None,
    problem: Problem | None = None,
    wall_now: datetime | None = None,
) -> Blocker:
    """Return that a client's site declined, and until when it backs off, if that is why."""
    brief = f"{client.id} declined{because(reason, whole=False)}"
    clause = f"it declined{because(reason)}"
    if problem is None or wall_now is None:
        return Blocker(client.id, "declined", clause, brief)
    clause = f"{clause}; {_again(problem, wall_now)}"
    return Blocker(client.id, "declined", clause, brief, until=problem.until)


def _happened(client: Client, problem: Problem, code: HoldCode) -> tuple[str, str]:
    """Return what became of a client's newest assignment, as a clause and in few words."""
    why, brief = because(problem.reason), because(problem.reason, whole=False)
    if code == "too_long":
        return SENTENCES["too_long"].rpartition(";")[0], (
            f"an update takes longer at {client.id} than its site allows"
        )
    if code == "failing":
        return f"its last {problem.count} assignments failed{why}", (
            f"{client.id} failed {problem.count} times{brief}"
        )
    if code == "undelivered":
        return f"it was not reached{why}", f"{client.id} was not reached{brief}"
    if code == "overdue":
        return "it did not answer before the deadline", f"{client.id} missed the deadline"
    if problem.status == "refused":
        return f"its update was refused{why}", f"the update of {client.id} was refused{brief}"
    return f"its training failed{why}", f"{client.id} failed{brief}"


def _again(problem: Problem, wall_now: datetime) -> str:
    """Return when a client that backs off is tried again: on the wall clock, as it counts there."""
    edited = "its site policy is edited or " if problem.kind == "decline" else ""
    at_once = f", or once {edited}its worker is restarted" if problem.is_liftable else ""
    return f"it is tried again at {show_second(problem.until, wall_now)}{at_once}"


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
