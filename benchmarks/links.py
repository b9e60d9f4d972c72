"""Seconds that an update and a model take over slow and broken links, beside the ideal."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.link import Link
from common.settings import Settings
from tasks.local.processes import Processes
from tasks.local.redis_server import RedisServer
from tasks.messaging.transport import SITE_PATIENCE_S, fetch, make_transport

_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Case:
    """A link, and how much goes over it.

    Attributes:
        mbit_per_s: Bandwidth of each direction; 0 for no link in between.
        delay_s: One way.
        mb: Megabytes that go up, and then down again.
        cut_every_s: All connections are lost this often; 0 for never.
    """

    mbit_per_s: float
    delay_s: float
    mb: float
    cut_every_s: float = 0.0

    @property
    def ideal_s(self) -> float:
        """How long the bytes alone take, one way; 0 where nothing limits them."""
        return self.mb * 8 / self.mbit_per_s if self.mbit_per_s else 0.0


_CASES = (
    Case(0, 0.0, 200),
    Case(200, 0.01, 50),
    Case(200, 0.1, 50),
    Case(10, 0.025, 10),
    Case(10, 0.025, 10, cut_every_s=3),
    Case(0.9, 0.05, 4),
    Case(0.9, 0.05, 4, cut_every_s=10),
)


def measure_links() -> None:
    """Move bytes over each link and print how long it took."""
    print(f"{'link':<52} {'ideal':>8} {'up':>8} {'down':>8}  bytes up, down / needed")
    with tempfile.TemporaryDirectory() as folder, Processes(Path(folder) / "redis") as processes:
        server = RedisServer(processes)
        for case in _CASES:
            print(_row(case, server.port, Path(folder)), flush=True)


def _row(case: Case, server_port: int, folder: Path) -> str:
    data = os.urandom(int(case.mb * 1e6))
    path = folder / "update"
    path.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    if not case.mbit_per_s:
        up_s, down_s = _there_and_back(server_port, path, sha256)
        return f"{f'none, {case.mb:g} MB':<52} {'-':>8} {up_s:>6.2f} s {down_s:>6.2f} s"
    link = Link(server_port, bit_per_s=case.mbit_per_s * 1e6, delay_s=case.delay_s)
    with link, _cuts(link, case.cut_every_s):
        up_s, down_s = _there_and_back(link.port, path, sha256)
        carried = link.up.nbytes / len(data), link.down.nbytes / len(data)
    name = f"{case.mbit_per_s:g} Mbit/s, {1000 * case.delay_s:g} ms one way, {case.mb:g} MB"
    if case.cut_every_s:
        name += f", cut every {case.cut_every_s:g} s"
    figures = f"{case.ideal_s:>6.1f} s {up_s:>6.1f} s {down_s:>6.1f} s"
    return f"{name:<52} {figures}  {carried[0]:.2f}, {carried[1]:.2f}"


def _there_and_back(port: int, path: Path, sha256: str) -> tuple[float, float]:
    """Return how many seconds a file's bytes take to the server, and back."""
    settings = Settings(redis_url=f"redis://{_HOST}:{port}/0")
    transport = make_transport(settings, patience_s=SITE_PATIENCE_S)
    begun = time.perf_counter()
    ref = transport.put("update", path, sha256)
    arrived = time.perf_counter()
    fetch(transport, ref)
    fetched = time.perf_counter()
    transport.delete(ref)
    return arrived - begun, fetched - arrived


@contextmanager
def _cuts(link: Link, every_s: float) -> Iterator[None]:
    """Lose every connection of a link again and again."""
    over = threading.Event()

    def cut() -> None:
        while every_s and not over.wait(every_s):
            link.cut()
            link.mend()

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
