"""What planning takes, from 100 clients to a million, beside a plain loop over the clients."""

from __future__ import annotations

import random
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from math import sin, tau
from typing import NamedTuple, TypeVar

from benchmarks.tick import measure_tick
from common.units import emitted_gco2eq
from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.grid import Grid
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR, hour_start, hours_overlapping
from scheduler.federation.client import Client
from scheduler.federation.federation import Federation, Run
from scheduler.gate.gate import GateRule
from scheduler.gate.judge import ZoneJudge
from scheduler.ledger.run_spec import RunSpec
from scheduler.policies.selection_context import Candidate
from scheduler.selection.plan import plan_round
from scheduler.selection.score_weights import WEIGHTS
from scheduler.selection.situation import make_situation, patience_allowed

_ZONES = 300
_SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)
_LOOP_UP_TO = 10_000
_REPEATS_UP_TO = 100_000
_TARGET_1000_S = 0.003
_TARGET_MILLION_S = 5.0
_TARGET_MILLION_MB = 2048.0

Answer = TypeVar("Answer")


class Waves:
    """Carbon intensities of 300 zones that rise and fall with the hours of the day."""

    name = "waves"

    def zones(self) -> tuple[str, ...]:
        """Return the ids of all zones."""
        return tuple(f"Z{n}" for n in range(_ZONES))

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Return every hour that overlaps `[start, end)`, in order."""
        return [_reading(zone, hour) for hour in hours_overlapping(start, end)]


@cache
def _reading(zone: str, hour: int) -> Reading:
    usual, at = 50.0 + 2 * int(zone[1:]), hour_start(hour)
    value = usual * (1 + 0.3 * sin(tau * hour / 24 + usual))
    return Reading(zone, at, at + HOUR, value, Waves.name, FLOW_TRACED, "modelled")


class _Took(NamedTuple):
    """Seconds: to take in the situation, to plan, and for a plain loop to do both."""

    take_in_s: float
    plan_s: float
    loop_s: float | None


def measure_planning() -> None:
    """Print what a plan takes at each size, then what a tick and a dispatch take."""
    print(f"planning: {_ZONES} zones, policy random, a tenth of the clients wanted ...", flush=True)
    print("\n   clients    take in       plan   us a client   plain loop   ratio", flush=True)
    took = {}
    for size in _SIZES:
        took[size] = _measure(size)
        print(_line(size, took[size]), flush=True)
    both_s = took[1_000].take_in_s + took[1_000].plan_s
    peak_mb = _peak_mb()
    _verdict("1,000 clients, both", both_s * 1e3, _TARGET_1000_S * 1e3, "ms")
    _verdict("1,000,000 clients, plan", took[1_000_000].plan_s, _TARGET_MILLION_S, "s")
    _verdict("its memory at most", peak_mb, _TARGET_MILLION_MB, "MB")
    measure_tick(Waves())


def _verdict(name: str, value: float, target: float, unit: str) -> None:
    verdict = "met" if value <= target else "missed"
    print(f"  {name:<24}{value:8.2f} {unit:<3} aimed at {target:g} {unit}: {verdict}", flush=True)


def _line(size: int, took: _Took) -> str:
    both_s = took.take_in_s + took.plan_s
    line = f"{size:10,}{took.take_in_s * 1e3:8.2f} ms{took.plan_s * 1e3:8.2f} ms"
    line += f"{both_s / size * 1e6:14.2f}"
    if took.loop_s is not None:
        line += f"{took.loop_s * 1e3:10.2f} ms{took.loop_s / both_s:8.1f}"
    return line


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _measure(size: int) -> _Took:
    now = datetime.fromisoformat("2026-07-08T12:30+00:00")
    state, run = _federation(size, now)
    grid, rule = Grid(Waves()), GateRule(400, 1000, timedelta(hours=72), timedelta(minutes=30))
    for zone in Waves().zones():
        grid.zone(zone, now)
    repeats = 3 if size <= _REPEATS_UP_TO else 1
    take_in_s, situation = _best(
        lambda: make_situation(state, run, grid, rule, now, wall_now=now, weights=WEIGHTS), repeats
    )
    plan_s, _ = _best(lambda: plan_round(run.spec, situation, number=1, so_far=None), repeats)
    loop_s = None
    if size <= _LOOP_UP_TO:
        loop_s, _ = _best(lambda: _loop(state, grid, rule, now), repeats)
    return _Took(take_in_s, plan_s, loop_s)


def _best(work: Callable[[], Answer], repeats: int) -> tuple[float, Answer]:
    took = []
    for _ in range(repeats):
        begun_s = time.perf_counter()
        answer = work()
        took.append(time.perf_counter() - begun_s)
    return min(took), answer


def _federation(size: int, now: datetime) -> tuple[Federation, Run]:
    """Return a federation of which nine clients in ten have trained before."""
    rng = random.Random(0)  # noqa: S311 - figures, not secrets
    clients = {}
    for n in range(size):
        client = Client(
            f"client-{n:07}", f"Z{n % _ZONES}", num_examples=100, incarnation="i", alive=True,
            waiting_since=now - timedelta(hours=rng.random() * 70),
        )  # fmt: skip
        if rng.random() < 0.9:  # noqa: PLR2004
            client.updates = client.answered = rng.randrange(1, 50)
            client.energy_per_update_wh, client.latency_s = rng.random() * 5, rng.random() * 30
            client.energy_per_example_j, client.latency_variance_s2 = rng.random(), rng.random()
            client.utility = rng.random()
        clients[client.id] = client
    spec = RunSpec(id="r", workload="any", policy="random", rounds=1, cohort=max(2, size // 10))
    run = Run(spec, now, now, version="0" * 64)
    return Federation(clients=clients, runs={"r": run}), run


def _loop(state: Federation, grid: Grid, rule: GateRule, now: datetime) -> list[str]:
    """Plan as one would without columns: a gate, a score and a candidate a client."""
    clients, allowed = list(state.clients.values()), patience_allowed(state)
    gates = {
        c.id: ZoneJudge(
            grid.zone(c.zone, now).reading, grid.zone(c.zone, now).week, rule=rule, now=now,
            patience_allowed=allowed,
        ).gate(c.gate, c.waiting_since or now)
        for c in clients
    }  # fmt: skip
    grams = {c.id: _expected_gco2eq(c, grid.zone(c.zone, now).reading) for c in clients}
    scores = _scores(clients, grams)
    candidates = [
        Candidate(
            c.id, c.zone, scores[c.id], c.updates, c.num_examples, c.utility, c.latency_s,
            c.energy_per_update_wh, grams[c.id], gates[c.id].numbers["intensity_gco2eq_per_kwh"],
            (), (now - (c.waiting_since or now)) / HOUR,
        )
        for c in clients
        if gates[c.id].is_open and c.alive
    ]  # fmt: skip
    rng = random.Random(0)  # noqa: S311 - a draw, not a secret
    return rng.sample([c.client for c in candidates], min(len(candidates), len(clients) // 10))


def _expected_gco2eq(client: Client, reading: Reading | None) -> float | None:
    if client.energy_per_update_wh is None or reading is None:
        return None
    return emitted_gco2eq(client.energy_per_update_wh, reading.gco2eq_per_kwh)


def _scores(clients: Sequence[Client], grams: Mapping[str, float | None]) -> dict[str, float]:
    parts: list[tuple[float, list[float | None]]] = [
        (WEIGHTS["grams_per_update"], [grams[c.id] for c in clients]),
        (WEIGHTS["latency"], [c.latency_s for c in clients]),
        (WEIGHTS["reliability"], [c.reliability for c in clients]),
        (WEIGHTS["participation"], [float(c.updates) for c in clients]),
        (WEIGHTS["utility"], [c.utility for c in clients]),
    ]
    totals = [0.0] * len(clients)
    for weight, figures in parts:
        known = sorted(figure for figure in figures if figure is not None)
        low, high = known[len(known) // 20], known[-1 - len(known) // 20]
        for place, figure in enumerate(figures):
            share = 0.5 if figure is None else (figure - low) / max(high - low, 1e-9)
            totals[place] += weight * min(1.0, max(0.0, share))
    return {client.id: total for client, total in zip(clients, totals, strict=True)}
