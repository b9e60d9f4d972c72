"""Which workers there are, and what the screen shows of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from common.visible import visible
from simulation.hosts.identity import HostIdentity
from simulation.hosts.message import WorkerSign

HOW_TO_START = (
    "On each machine, with the FAIRWIND_REDIS_URL and the FAIRWIND_DATA of this study, start: "
    "celery -A simulation worker"
)


class WorkersSeen:
    """The workers that take simulations of ours, and those that are there and do not.

    Attributes:
        processes: How many simulations they run at once, all together.
    """

    def __init__(self, ours: HostIdentity, say: Callable[[str], None]) -> None:
        self._ours = ours
        self._say = say
        self._hosts: dict[str, str] | None = None
        self._said: set[str] = set()
        self.processes = 0

    @property
    def names(self) -> set[str]:
        """The names of those that take simulations of ours."""
        return set(self._hosts or {})

    def look(self, signs: Sequence[WorkerSign]) -> None:
        """Take over who is there now, and say what has changed."""
        fit = []
        for sign in signs:
            identity = HostIdentity(sign.code, sign.libraries, sign.key)
            why_not = identity.differs_from(self._ours)
            if why_not is None:
                fit.append(sign)
            else:
                self._once(
                    f"The worker {sign.worker} takes no simulation of this study: {why_not}."
                )
        self.processes = sum(sign.processes for sign in fit)
        hosts = {sign.worker: sign.host for sign in fit}
        if hosts != self._hosts:
            self._say(self._who(hosts))
        self._hosts = hosts

    def note_failure(self, worker: str, reason: str) -> None:
        """Say why a worker could not simulate, once."""
        self._once(f"The worker {worker} could not simulate: {reason}")

    def _who(self, hosts: dict[str, str]) -> str:
        if not hosts:
            return f"No worker takes simulations of this study, so it waits. {HOW_TO_START}"
        workers, on = len(hosts), len(set(hosts.values()))
        return (
            f"{workers} {'worker' if workers == 1 else 'workers'} on {on} "
            f"{'host' if on == 1 else 'hosts'}, {self.processes} simulations at once"
        )

    def _once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self._say(visible(sentence))
