"""Many simulations: beside each other in processes, each kept so that it never runs twice."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil

from simulation.inputs import inputs
from simulation.outcome import Outcome
from simulation.run import simulate
from simulation.scenario.scenario import Scenario

VERSION = 5
"""Of what a simulation does: to be raised whenever the same scenario may have another outcome, so
that no kept outcome of an older one is taken for it."""

OnDone = Callable[[int, Outcome], None]
"""Receives every outcome as it is ready, with its place among the scenarios."""

Simulated = Generator[tuple[str, Outcome]]
"""Outcomes as they are ready, each with the key of its scenario."""

Runner = Callable[[Mapping[str, Scenario]], Simulated]
"""Simulates scenarios by key, wherever it does; it is closed when no more are wanted."""


def simulate_all(
    scenarios: Sequence[Scenario],
    *,
    jobs: int = 1,
    runner: Runner | None = None,
    cache: Path | None = None,
    on_done: OnDone | None = None,
) -> list[Outcome]:
    """Simulate many scenarios; the outcomes are in their order, and as `simulate` returns them.

    Args:
        scenarios: What is simulated; the same one twice runs once.
        jobs: In how many processes of this host; with one, in this.
        runner: Simulates somewhere else than on this host.
        cache: Folder of the outcomes so far, which are not simulated again. What is interrupted
            goes on from there.
        on_done: Receives every outcome as it is ready.

    Raises:
        FairwindError: If a scenario cannot be simulated; the others' outcomes are kept.
    """
    places: dict[str, list[int]] = {}
    for place, scenario in enumerate(scenarios):
        places.setdefault(scenario_key(scenario), []).append(place)
    found: dict[int, Outcome] = {}

    def take(key: str, outcome: Outcome) -> None:
        for place in places[key]:
            found[place] = outcome
            if on_done is not None:
                on_done(place, outcome)

    missing = {}
    for key, at in places.items():
        kept = _kept(cache, key)
        if kept is None:
            missing[key] = scenarios[at[0]]
        else:
            take(key, kept)
    if missing:
        simulated = _simulated(missing, jobs) if runner is None else runner(missing)
        with closing(simulated):
            for key, outcome in simulated:
                _keep(cache, key, outcome)
                take(key, outcome)
    return [found[place] for place in range(len(scenarios))]


def scenario_key(scenario: Scenario) -> str:
    """Return the SHA-256 of everything an outcome depends on: equal for equal scenarios.

    That is the scenario but for its description, what is in the files and modules that it names
    (wherever they are), and the simulator's version.

    Raises:
        FairwindError: If a file is missing.
    """
    body: dict[str, Any] = scenario.model_dump(mode="json", exclude={"description"})
    for part, key in (("signal", "path"), ("forecast", "path"), ("workload", "init_from")):
        del body[part][key]
    content = [VERSION, body, inputs(scenario)]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _kept(cache: Path | None, key: str) -> Outcome | None:
    """Return the outcome kept before; `None` if there is none, or its file is damaged."""
    path = cache / f"{key}.json" if cache else None
    if path is None or not path.exists():
        return None
    try:
        return Outcome.from_json(path.read_bytes())
    except ValueError:
        return None


def _keep(cache: Path | None, key: str, outcome: Outcome) -> None:
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
        _sweep(cache)
        partial = cache / f"{key}.{os.getpid()}.part"
        partial.write_text(outcome.to_json())
        partial.replace(cache / f"{key}.json")


def _sweep(cache: Path) -> None:
    """Remove what processes left unfinished that were killed."""
    for path in cache.glob("*.part"):
        pid = path.name.split(".")[-2]
        if not pid.isdecimal() or not psutil.pid_exists(int(pid)):
            path.unlink(missing_ok=True)


def _simulated(missing: Mapping[str, Scenario], jobs: int) -> Simulated:
    if jobs == 1 or len(missing) == 1:
        for key, scenario in missing.items():
            yield key, simulate(scenario)
        return
    with _processes(min(jobs, max(1, len(missing)))) as executor:
        futures: dict[Future[Outcome], str] = {
            executor.submit(simulate, scenario): key for key, scenario in missing.items()
        }
        for future in as_completed(futures):
            yield futures[future], future.result()


@contextmanager
def _processes(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Yield an executor whose processes end with the block, however that ends."""
    spawn = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(
        jobs, mp_context=spawn, initializer=_prepare, initargs=(sys.path,)
    )
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


def _prepare(path: list[str]) -> None:
    """Prepare a process: Ctrl-C is its parent's affair, and it never outlives that."""
    sys.path[:] = path
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
