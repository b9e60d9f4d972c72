"""A shell in which a test plays what a page shows, block by block, as a reader would.

Servers (`fairwind up`, a Celery process, a Redis server) run beside it, as in terminals of their
own. Before a run is started, the shell waits until every site is up; after that, for its first
closed round.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.e2e.terminal import environment

PATIENCE_S = 120.0

_SERVERS = re.compile(r"(fairwind up(?!.*--keep)|celery -A tasks (worker|beat|flower)|valkey-emb)")
_START = re.compile(r"fairwind run start\b(?!.*--cron)")
_MARK = "@@ended "


def blocks(page: Path) -> list[str]:
    """Return every block of commands that a page shows."""
    return re.findall(r"```(?:bash|console|sh)\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def lines(block: str) -> list[str]:
    """Return the commands of a block, without prompts and comments."""
    joined = block.replace("\\\n", " ")
    shown = [re.sub(r"\s+#.*$", "", line).removeprefix("$ ") for line in joined.splitlines()]
    return [line for line in shown if line and not line.startswith("#")]


class Shell:
    """One bash that keeps its folder and variables, and the servers that were started from it."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self._servers: list[tuple[str, int]] = []
        self._bash = subprocess.Popen(
            ["bash", "--norc"],
            env={**environment(), "HOME": str(folder), **variables},
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        """Return itself: bash runs already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the servers, the last one first, and the shell."""
        while self._servers:
            self._stop_last()
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.close()
        self._bash.wait(20)
        self._bash.stdout.close()

    def play(self, block: str) -> None:
        """Run every command of a block; each must succeed."""
        for line in lines(block):
            if _SERVERS.search(line):
                self._serve(line)
                continue
            if "fairwind up" in line:  # the reader has pressed Ctrl-C before
                self._stop("fairwind up")
            starts = _START.search(line)
            if starts:
                self.wait(self._sites_are_up, "every site's worker")
            said = self.run(line)
            if starts:
                begun = re.search(r"^(\S+) has begun", said, re.MULTILINE)
                assert begun, said
                self.wait(partial(self._has_closed, begun[1]), f"a round of {begun[1]}")

    def run(self, line: str) -> str:
        """Run one command, which must succeed, and return what it prints."""
        status, said = self.attempt(line)
        assert status == 0, f"$ {line}\n{said}\n{self._logs()}"
        return said

    def attempt(self, line: str) -> tuple[int, str]:
        """Run one command; return its status and what it prints."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{line}\nprintf '\\n{_MARK}%s\\n' $?\n")
        self._bash.stdin.flush()
        said: list[str] = []
        for printed in self._bash.stdout:
            if printed.startswith(_MARK):
                return int(printed.removeprefix(_MARK)), "".join(said)
            said.append(printed)
        msg = f"the shell ended at: {line}\n{''.join(said)}"
        raise AssertionError(msg)

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Wait until a condition holds."""
        until = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < until, f"waited for {what}\n{self._logs()}"
            time.sleep(0.3)

    def log(self, number: int) -> str:
        """Return what the server of a number has printed."""
        path = self.folder / f"server-{number}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _serve(self, line: str) -> None:
        number = len(self._servers)
        said = self.run(f"{line} > {self.folder}/server-{number}.log 2>&1 & echo $!")
        self._servers.append((line, int(said.split()[-1])))
        if "fairwind up" in line:
            self.wait(lambda: "Stop  " in self.log(number), line)
        if port := re.search(r"--port (\d+)", line):
            self.wait(lambda: _listens(int(port[1])), line)

    def _stop(self, line: str) -> None:
        while any(line in each for each, _ in self._servers):
            self._stop_last()

    def _stop_last(self) -> None:
        _, pid = self._servers.pop()
        os.kill(pid, signal.SIGTERM)
        self.attempt(f"wait {pid}")

    def _sites_are_up(self) -> bool:
        status, said = self.attempt("fairwind clients --json")
        seen = json.loads(said) if status == 0 else []
        sites = seen["clients"] if isinstance(seen, dict) else seen
        return bool(sites) and all(c["state"] not in {"never seen", "silent"} for c in sites)

    def _has_closed(self, run: str) -> bool:
        return bool(json.loads(self.run(f"fairwind run show {run} --json"))["run"]["rounds_done"])

    def _logs(self) -> str:
        return "\n".join(
            f"--- {line}\n{self.log(n)[-1500:]}" for n, (line, _) in enumerate(self._servers)
        )


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
