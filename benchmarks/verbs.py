"""CPU seconds of each verb of the command line, on a small ledger."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile

_VERBS = (
    "--help", "--version", "settings", "status", "clients", "run list", "ledger show",
    "ledger verify", "zones", "forecast FR", "plan", "advice lyon", "check", "run start --help",
    "simulate --help", "enroll lyon --zone FR",
)  # fmt: skip

_TIMES = 3
_TARGET_S = 0.6


def measure_verbs() -> None:
    """Print the least of a few measurements for each verb, beside an interpreter that does nothing.

    A machine that is busy with something else adds to every figure, also to that of `pass`.
    """
    print("\nverbs: CPU seconds, user and system, the least of three")
    with tempfile.TemporaryDirectory() as home:
        # Nothing listens there: what a verb sends is lost at once.
        env = os.environ | {"FAIRWIND_HOME": home, "FAIRWIND_REDIS_URL": "redis://127.0.0.1:9/0"}
        _cpu_s(["-m", "tasks.cli", "enroll", "lyon", "--zone", "FR"], env)
        for words in (["-c", "pass"], ["-c", "import celery.bin.celery"], *map(_verb, _VERBS)):
            least_s = min(_cpu_s(words, env) for _ in range(_TIMES))
            shown = " ".join(words).removeprefix("-m tasks.cli ").removeprefix("-c ")
            mark = "" if words[0] == "-c" else "met" if least_s <= _TARGET_S else "missed"
            print(f"  {shown:<26}{least_s:8.2f} s   {mark}", flush=True)
    print(f"  aimed at: {_TARGET_S} s")


def _verb(words: str) -> list[str]:
    return ["-m", "tasks.cli", *words.split()]


def _cpu_s(words: list[str], env: dict[str, str]) -> float:
    """Return the CPU seconds of one process of Python with these arguments."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], env=env, capture_output=True, check=False)  # noqa: S603 - ours
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
