"""Rounds on real processes: Redis, coordinator, beat and one Celery worker for each client."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from benchmarks.floor import floor_s, pure_training_s
from tasks.local.federation import COORDINATOR, LocalFederation

PHASES = ("dispatch_s", "queue_s", "pull_s", "train_s", "push_s", "accept_total_s", "close_s")
"""In the order in which they happen. Site phases are the slowest client's; accepting is the sum
over all clients, most of it while others still train."""


@dataclass(frozen=True)
class Case:
    """What is measured, and what the peers needed for the same on two cores, quiet.

    The peers' figures were measured with four clients on localhost: Flower 1.42 without TLS,
    NVIDIA FLARE 2.9 as `nvflare poc` provisions it; digits: MLP 64-128-10, one epoch, SGD 0.1,
    batch 32; sized updates: ten float32 tensors, the client adds a constant.
    """

    name: str
    workload: str
    rounds: int
    num_params: int
    target_s: float
    flower_s: float
    nvflare_s: float


CASES = {
    "digits": Case("digits", "digits", 50, 9_610, 0.1, 15.67, 0.814),
    "10m": Case("10 M parameters", "benchmarks.workloads:m10", 8, 10_000_000, 1.0, 11.42, 3.84),
    "50m": Case("50 M parameters", "benchmarks.workloads:m50", 6, 50_000_000, 5.0, 26.56, 10.06),
}


@dataclass
class Result:
    """One case's figures; seconds are medians over the rounds after the first."""

    case: Case
    clients: int
    rounds_s: list[float]
    first_round_s: float
    phases: dict[str, float]
    evaluate_s: float
    memory_bytes: int
    idle_memory_bytes: int
    pure_training_s: float
    floor_s: float

    @property
    def round_s(self) -> float:
        """The median round."""
        return statistics.median(self.rounds_s)


def measure(case: Case, *, clients: int) -> Result:
    """Run one case and return its figures."""
    names = {f"c{number}": "FR" for number in range(clients)}
    print(f"{case.name}: {clients} clients, {case.rounds} rounds ...", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "FAIRWIND_WORKLOADS": case.workload,
            "FAIRWIND_SIGNAL": "static",
            "FAIRWIND_HEARTBEAT_S": "1",
        }
        with LocalFederation(Path(folder), names, settings=settings) as federation:
            _start(federation)
            idle = _memory(federation, "VmRSS")
            begun = time.time()
            _run(federation, case, clients)
            events = _json(federation, "ledger", "show", "--json")
            peak = _memory(federation, "VmHWM")
            floor = floor_s(federation.redis_url, case.num_params * 4, clients, Path(folder))
    return Result(
        case=case, clients=clients, memory_bytes=peak, idle_memory_bytes=idle, floor_s=floor,
        pure_training_s=pure_training_s(case.workload, list(names)), **_figures(events, begun),
    )  # fmt: skip


def _start(federation: LocalFederation) -> None:
    for client, zone in federation.zones.items():
        _checked(federation, "enroll", client, "--zone", zone)
    federation.start_coordinator()
    federation.start_beat()
    for client in federation.zones:
        federation.start_site(client)
    federation.wait_for(
        lambda: all(c["state"] == "idle" for c in _json(federation, "clients", "--json")),
        120, "the workers",
    )  # fmt: skip
    time.sleep(5)  # the pools' children load torch and data; a run would wait for them


def _run(federation: LocalFederation, case: Case, clients: int) -> None:
    _checked(
        federation, "run", "start", case.workload, "--id", "bench", "--policy", "all",
        "--rounds", str(case.rounds), "--quorum", str(clients), "--norm-bound", "10000",
    )  # fmt: skip
    ended = federation.folder / "home" / "runs" / "bench" / "last.safetensors"
    federation.wait_for(ended.exists, 300, "the run to end")
    time.sleep(1)


def _figures(events: list[dict[str, Any]], begun: float) -> dict[str, Any]:
    closed = [event for event in events if event["kind"] == "round.closed"]
    scored = [event for event in events if event["kind"] == "round.evaluated"]
    planned = {e["round"]: e for e in events if e["kind"] == "round.planned"}
    times = [_seconds(event["at"]) for event in closed]
    later = [event["body"]["phases"] for event in closed[1:]]
    return {
        "rounds_s": [b - a for a, b in pairwise(times)],
        "first_round_s": _seconds(planned[1]["at"]) - begun,
        "phases": {
            name: statistics.median(p[name] for p in later if p.get(name) is not None)
            for name in PHASES
        },
        "evaluate_s": statistics.median(e["body"].get("evaluate_s", 0.0) for e in scored)
        if scored
        else 0.0,
    }


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def _memory(federation: LocalFederation, figure: str) -> int:
    """Return memory of the coordinator's busiest process, from Linux's accounts, in bytes."""
    leader = federation.processes.pid(COORDINATOR)
    processes = [psutil.Process(leader), *psutil.Process(leader).children(recursive=True)]
    return max(_status(process.pid, figure) for process in processes)


def _status(pid: int, figure: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(figure))


def _json(federation: LocalFederation, *args: str) -> Any:
    return json.loads(_checked(federation, *args))


def _checked(federation: LocalFederation, *args: str) -> str:
    done = federation.fairwind(*args)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout
