# mypy: disable-error-code="no-untyped-call"
"""A workload and policies that a file in the federation's folder breaks, and its removal mends."""

import os
import signal
import time
from pathlib import Path

from tests.integration.odd_workloads import Plain

_HOME = Path(os.environ.get("FAIRWIND_HOME", "")).name
"""``home`` at the coordinator; a site's client id there."""

SLOW_S = 2.0


def _break(what):
    """Raise at the coordinator while ``<what>.broken`` lies in the folder, or die if it says so."""
    flag = Path(f"{what}.broken")
    if _HOME == "home" and flag.exists():
        if flag.read_text() == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        raise RuntimeError(what, "is broken")


class Breakable(Plain):
    def model(self):
        _break("model")
        return super().model()

    def metrics(self, logits, targets):
        _break("metrics")
        return super().metrics(logits, targets)

    def loss(self, logits, targets):
        """Wait, at the site west, while the file ``held`` lies in the folder."""
        while _HOME == "west" and Path("held").exists():
            time.sleep(0.01)
        return super().loss(logits, targets)


workload = Breakable()


def policy(context):
    _break("policy")
    return [candidate.client for candidate in context.candidates]


def slow_policy(context):
    """Take a while, in which the file ``choosing`` lies in the folder."""
    Path("choosing").touch()
    time.sleep(SLOW_S)
    Path("choosing").unlink(missing_ok=True)
    return [candidate.client for candidate in context.candidates][:1]
