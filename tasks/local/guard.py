"""Kill the process groups named on standard input once the process that names them is gone.

`processes.py` runs this file by its path as a process of its own. It outlives a parent that was
killed outright, it works wherever there are POSIX process groups, and it imports nothing of ours,
so it is up in milliseconds.
"""

import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress


def kill_group(group: int) -> None:
    """Kill all processes of a group, if there is still one."""
    # macOS answers PermissionError for a group that holds nothing but zombies.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def guard(lines: Iterable[str]) -> None:
    """Follow lines ``+group`` and ``-group`` until they end, then kill the groups still listed.

    Args:
        lines: Groups to add and to remove; they end when their writer does.
    """
    groups: list[int] = []
    for line in lines:
        group = int(line[1:])
        if line.startswith("+"):
            groups.append(group)
        else:
            groups.remove(group)
    for group in reversed(groups):
        kill_group(group)


if __name__ == "__main__":
    guard(sys.stdin)
