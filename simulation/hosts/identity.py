"""What must be equal on two hosts so that a simulation has the same outcome on both."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass
from importlib.metadata import version

from kombu import Queue

from simulation.code import code_digest
from tasks.messaging.queues import queue
from tasks.roles import SIMULATIONS_PREFIX

_COMPUTING = ("numpy", "scikit-learn", "scipy", "torch")


@dataclass(frozen=True)
class HostIdentity:
    """What a process simulates with, and whom it believes.

    Attributes:
        code: Digest of Fairwind's code.
        libraries: Versions of Python and of the packages that compute.
        key: The public key of who may send simulations; `None` where they are not signed.
    """

    code: str
    libraries: dict[str, str]
    key: str | None

    @property
    def queue(self) -> Queue:
        """The queue of all workers that are alike in all of this: others take nothing from it."""
        text = json.dumps([self.code, self.libraries, self.key], sort_keys=True)
        return queue(SIMULATIONS_PREFIX + hashlib.sha256(text.encode()).hexdigest()[:16])

    def differs_from(self, ours: HostIdentity) -> str | None:
        """Return why a worker takes no simulations of ours, as a clause; `None` if it does."""
        if self.code != ours.code:
            return (
                f"its code is another ({self.code} there, {ours.code} here): install the same "
                "version of Fairwind on both, and start it again"
            )
        others = [name for name, text in ours.libraries.items() if self.libraries.get(name) != text]
        if others:
            there = ", ".join(f"{name} {self.libraries.get(name, 'none')}" for name in others)
            here = ", ".join(f"{name} {ours.libraries[name]}" for name in others)
            return (
                f"its libraries are others ({there} there, {here} here), which may change bits: "
                "install the same, for example with constraints.txt, and start it again"
            )
        if self.key != ours.key:
            return (
                f"it believes another key ({self.key or 'none'} there, {ours.key or 'none'} here): "
                "set FAIRWIND_COORDINATOR_KEY there to what `fairwind key` prints here, and start "
                "it again"
            )
        return None


def host_identity(key: str | None) -> HostIdentity:
    """Return the identity of this process; `key` as of `HostIdentity`."""
    libraries = {name: version(name) for name in _COMPUTING}
    return HostIdentity(code_digest(), libraries | {"python": platform.python_version()}, key)
