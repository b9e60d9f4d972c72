"""A shortage: fewer clients can train than a round needs, and which ones it waits for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scheduler.status.blocker import Blocker, BlockerCode
from scheduler.status.names import SHOWN_NAMES, agree, listed, show_second


@dataclass(frozen=True)
class Shortage:
    """Clients a round needs, those that can train now, and what keeps the others.

    Attributes:
        needed: Updates a round needs at least, or those that it still lacks.
        ready: Clients that could be invited now.
        blockers: What keeps the others.
    """

    needed: int
    ready: int
    blockers: Sequence[Blocker]

    def sentence(self) -> str:
        """Return what the round waits for, and what to do."""
        kinds = self.kinds()
        if self.ready + len(self.blockers) < self.needed:
            return self._too_few_enrolled()
        if list(kinds) == ["gate_closed"]:
            closed = clause("gate_closed", self.blockers)
            return f"Waiting for clean power: {closed} ({self.counts()})."
        if len(kinds) == 1:
            return self._alike(*kinds.popitem())
        parts = "; ".join(clause(code, found) for code, found in kinds.items())
        more = f"{next_try(self.blockers)}{command_of(self.blockers)}"
        return f"Waiting for clients ({self.counts()}): {parts}.{more}"

    def kinds(self) -> dict[BlockerCode, list[Blocker]]:
        """Return the blockers by their code, the most pressing first."""
        found = {code: [b for b in self.blockers if b.code == code] for code in _ORDER}
        return {code: each for code, each in found.items() if each}

    def counts(self) -> str:
        """Return how many clients are needed, and how many are ready."""
        return f"{self.needed} needed, {self.ready} ready"

    def _alike(self, code: BlockerCode, blockers: Sequence[Blocker]) -> str:
        start = "Waiting for " if code in {"silent", "paused"} else ""
        more = f"{next_try(blockers)}{command_of(blockers)}"
        text = f"{start}{clause(code, blockers)} ({self.counts()}).{more}"
        return f"{text[0].upper()}{text[1:]}" if text.startswith("the ") else text

    def _too_few_enrolled(self) -> str:
        enrolled = self.ready + len(self.blockers)
        clients = agree(enrolled, "client is", "clients are")
        return (
            f"A round needs {self.needed} clients, and {enrolled or 'no'} {clients} enrolled. "
            "Start a run with a smaller --quorum, or enrol another: "
            "fairwind enroll CLIENT --zone ZONE"
        )


def clause(code: BlockerCode, blockers: Sequence[Blocker]) -> str:
    """Return what keeps these clients, which all have the same blocker, as part of a sentence."""
    names = [each.client for each in blockers]
    if len(names) == 1:
        return blockers[0].brief
    return _MANY[code].format(shown(names))


def next_try(blockers: Sequence[Blocker]) -> str:
    """Return when the first of these clients that back off is tried again."""
    times = [(each.until, each.client) for each in blockers if each.until is not None]
    if not times:
        return ""
    at, client = min(times)
    return f" {client} is tried again at {show_second(at, at)}."


def command_of(blockers: Sequence[Blocker]) -> str:
    """Return the command that removes the first of these blockers which has one."""
    found = [each for each in blockers if each.command]
    if not found:
        return ""
    alike = [each for each in found if each.code == found[0].code]
    if len(alike) > 1 and found[0].code == "silent":
        return f" Start each at its site: {found[0].command}"
    return f" {found[0].remedy[0].upper()}{found[0].remedy[1:]}"


def shown(names: Sequence[str]) -> str:
    """Return clients as a sentence names them."""
    return listed(names, most=SHOWN_NAMES)


_ORDER: tuple[BlockerCode, ...] = (
    "failing", "too_long", "failed", "overdue", "undelivered", "declined", "paused", "silent",
    "gate_unknown", "busy", "gate_closed",
)  # fmt: skip

_MANY: Mapping[BlockerCode, str] = {
    "silent": "{}: their workers are not running",
    "failing": "{} failed again and again; `fairwind clients` shows why",
    "failed": "{} failed; `fairwind clients` shows why",
    "too_long": "an update takes longer at {} than their sites allow",
    "overdue": "{} missed the deadline",
    "undelivered": "{} were not reached; `fairwind clients` shows why",
    "paused": "{}: their administrators paused them",
    "declined": "{} declined; `fairwind clients` shows why",
    "gate_unknown": "the carbon intensity of the zones of {} is unknown",
    "busy": "{} work for other runs",
    "gate_closed": "the gates of {} are closed",
}
