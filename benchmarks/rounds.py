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

from benchmarks.floor import Bytes, floor_s, pure_training_s
from common.update_encodings import UpdateEncoding, encoded_share
from tasks.local.federation import COORDINATOR, LocalFederation, site_name
from tasks.local.redis_server import NAME as REDIS

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
    flower_s: float | None = None
    nvflare_s: float | None = None
    clients: int = 4
    encoding: UpdateEncoding = "float32"

    @property
    def moved(self) -> Bytes:
        """The bytes that a round has to move for each client."""
        model = self.num_params * 4
        return Bytes(model=model, update=round(model * encoded_share(self.encoding)))


_M10, _M50 = "benchmarks.workloads:m10", "benchmarks.workloads:m50"

CASES = {
    "digits": Case("digits", "digits", 50, 9_610, 0.06, 15.67, 0.814),
    "digits-12": Case("digits", "digits", 50, 9_610, 0.15, clients=12),
    "10m": Case("10 M parameters", _M10, 8, 10_000_000, 0.9, 11.42, 3.84),
    "10m-mxint8": Case("10 M parameters", _M10, 8, 10_000_000, 0.5, encoding="mxint8"),
    "50m": Case("50 M parameters", _M50, 6, 50_000_000, 4.6, 26.56, 10.06),
    "50m-mxint8": Case("50 M parameters", _M50, 6, 50_000_000, 2.2, encoding="mxint8"),
}


@dataclass
class Result:
    """One case's figures; seconds are medians over the rounds after the first.

    Attributes:
        first_took_s: The first round, from its plan to its close.
        cpu_s: CPU seconds a round, by process; those of all sites together.
        load: Processes that ran or waited to run on this machine in the last minute, ours included.
    """

    case: Case
    clients: int
    rounds_s: list[float]
    first_round_s: float
    first_took_s: float
    phases: dict[str, float]
    evaluate_s: float
    cpu_s: dict[str, float]
    load: float
    memory_bytes: int
    idle_memory_bytes: int
    pure_training_s: float
    floor_s: float

    @property
    def round_s(self) -> float:
        """The median round."""
        return statistics.median(self.rounds_s)


def measure(case: Case, *, clients: int | None = None) -> Result:
    """Run one case, with another number of clients if one is given, and return its figures."""
    clients = clients or case.clients
    names = {f"c{number}": "FR" for number in range(clients)}
    print(f"{case.name}, {case.encoding}: {clients} clients, {case.rounds} rounds ...", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "FAIRWIND_WORKLOADS": case.workload,
            "FAIRWIND_SIGNAL": "static",
            "FAIRWIND_HEARTBEAT_S": "1",
        }
        with LocalFederation(Path(folder), names, settings=settings) as federation:
            _enroll(federation)
            start(federation)
            idle = _memory(federation, "VmRSS")
            begun, cpu_s = time.time(), _cpu_s(federation)
            run(federation, case, clients)
            cpu_s = {
                name: (after - cpu_s[name]) / case.rounds
                for name, after in _cpu_s(federation).items()
            }
            load = psutil.getloadavg()[0]
            events = _json(federation, "ledger", "show", "--json")
            peak = _memory(federation, "VmHWM")
            floor = floor_s(federation.redis_url, case.moved, clients, Path(folder))
    return Result(
        case=case, clients=clients, cpu_s=cpu_s, load=load, memory_bytes=peak,
        idle_memory_bytes=idle, floor_s=floor,
        pure_training_s=pure_training_s(case.workload, list(names)), **_figures(events, begun),
    )  # fmt: skip


def _enroll(federation: LocalFederation) -> None:
    for client, zone in federation.zones.items():
        _checked(federation, "enroll", client, "--zone", zone, "--key", federation.site_key(client))


def start(federation: LocalFederation) -> None:
    """Start the coordinator, beat and all enrolled sites, and wait until they are ready."""
    federation.start_coordinator()
    federation.start_beat()
    for client in federation.zones:
        federation.start_site(client)
    federation.wait_for(
        lambda: all(c["state"] == "idle" for c in _json(federation, "clients", "--json")),
        120, "the workers",
    )  # fmt: skip
    time.sleep(5)  # the pools' children load torch and data; a run would wait for them


def run(
    federation: LocalFederation,
    case: Case,
    clients: int,
    *,
    rounds: int | None = None,
    run_id: str = "bench",
) -> None:
    """Do the rounds of a case, or another number of them, with all clients in each."""
    _checked(
        federation, "run", "start", case.workload, "--id", run_id, "--policy", "all",
        "--rounds", str(rounds or case.rounds), "--quorum", str(clients), "--norm-bound", "10000",
        "--update", case.encoding,
    )  # fmt: skip
    ended = federation.folder / "home" / "runs" / run_id / "last.safetensors"
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
        "first_took_s": times[0] - _seconds(planned[1]["at"]),
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


def _cpu_s(federation: LocalFederation) -> dict[str, float]:
    """Return CPU seconds so far, by process; those of all sites together."""
    sites = [_process_cpu_s(federation, site_name(client)) for client in federation.zones]
    others = {name: _process_cpu_s(federation, name) for name in (COORDINATOR, REDIS)}
    return others | {"sites": sum(sites)}


def _process_cpu_s(federation: LocalFederation, name: str) -> float:
    leader = psutil.Process(federation.processes.pid(name))
    return sum(
        process.cpu_times().user + process.cpu_times().system
        for process in (leader, *leader.children(recursive=True))
    )


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
