"""What a coordinator's whole tick takes with 10,000 clients, and what sending their tasks takes."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path

from common.clock import wall_now
from common.messages import Heartbeat, Receipt
from common.settings import Settings
from scheduler.carbon.grid import Grid
from scheduler.carbon.signal import Signal
from scheduler.federation.federation import Federation, Run
from scheduler.federation.opening import open_ledger
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.event import Draft, canonical
from scheduler.ledger.events import ClientEnrolled, RoundPlanned, RunStarted
from scheduler.ledger.run_spec import RunSpec
from scheduler.rounds.opening import open_run
from scheduler.rounds.planning import plan
from scheduler.rounds.world import LossCode, Work
from scheduler.selection.plan import plan_round
from scheduler.selection.situation import make_situation
from scheduler.selection.verdict_blob import keep_verdicts
from tasks.app import app
from tasks.coordinator.coordinator import Coordinator
from tasks.coordinator.workbench import Workbench
from tasks.local.processes import Processes
from tasks.local.redis_server import RedisServer
from tasks.messaging.broker import connect
from tasks.messaging.heartbeats import heartbeat_key
from tasks.messaging.transport import make_transport

_CLIENTS = 10_000
_TARGET_TICK_S = 0.2
_TARGET_DISPATCH_S = 3.0
_ALONE = 500
"""Clients whose tasks are sent one by one, for comparison; the rest would take as long each."""


def measure_tick(signal: Signal) -> None:
    """Print what one tick and one dispatch take, with a real ledger and a real Redis."""
    print(f"\ntick: {_CLIENTS:,} clients, {len(signal.zones())} zones ...", flush=True)
    with tempfile.TemporaryDirectory() as folder, Processes(Path(folder)) as processes:
        redis_url = RedisServer(processes).redis_url
        app.conf.update({f"broker_{way}url": redis_url for way in ("", "read_", "write_")})
        settings = Settings(
            redis_url=redis_url, home=Path(folder), threshold_gco2eq_per_kwh=2000,
            ceiling_gco2eq_per_kwh=2000,
        )  # fmt: skip
        c = _coordinator(settings, signal)
        _enrol(c, signal.zones())
        c.engine.observe()  # all clients join, and every gate is judged for the first time
        spec = RunSpec(id="r", workload="digits", policy="all", rounds=2)
        with c.ledger.transaction() as tx:
            tx.append(Draft(RunStarted(spec=spec), run="r"))
        open_run(c.engine.world, "r")
        _measure(c)


def _measure(c: Coordinator) -> None:
    _plan_dry(c)  # a coordinator has planned before, and has frozen what it loaded
    gc.freeze()
    c.grid.forget()  # as on the hour, when every zone has news
    begun_s = time.perf_counter()
    c.engine.observe()
    watched_s = time.perf_counter()
    world, sent = c.engine.world, _Timed(c.engine.world.work)
    plan(replace(world, work=sent), "r")
    planned_s = time.perf_counter() - sent.took_s
    sent_s, invited = sent.took_s, sent.clients
    planned = c.ledger.newest(RoundPlanned.kind, limit=1)[0].payload
    name = planned.verdicts if isinstance(planned, RoundPlanned) else None
    kept = (name and c.blobs.read(name)) or b""
    alone_s = _send_alone(c, invited[:_ALONE]) * len(invited) / _ALONE
    tick_s = planned_s - begun_s
    print(f"  heartbeats, grids, gates{(watched_s - begun_s) * 1e3:8.1f} ms")
    print(f"  plan, into the ledger   {(planned_s - watched_s) * 1e3:8.1f} ms   "
          f"{len(canonical(planned)) / 1e6:.2f} MB of event, "
          f"{len(kept) / 1e6:.2f} MB of verdicts")  # fmt: skip
    print(f"  the tick                {tick_s:8.2f} s    {_aimed(tick_s, _TARGET_TICK_S)}")
    print(f"  {len(invited):,} tasks sent       {sent_s:8.2f} s    "
          f"{_aimed(sent_s, _TARGET_DISPATCH_S)}")  # fmt: skip
    print(f"  one by one              {alone_s:8.2f} s    from {_ALONE} of them")
    print(f"  ratio                   {alone_s / sent_s:8.1f}", flush=True)


def _plan_dry(c: Coordinator) -> None:
    state = c.ledger.state()
    run, now = state.runs["r"], c.clock.now()
    situation = make_situation(
        state, run, c.grid, c.engine.world.rules.gate, now, wall_now=c.clock.wall_at(now),
        weights=c.engine.world.rules.weights,
    )  # fmt: skip
    keep_verdicts(c.blobs, plan_round(run.spec, situation, number=1, so_far=None).verdicts)


def _aimed(value_s: float, target_s: float) -> str:
    return f"aimed at {target_s:g} s: {'met' if value_s <= target_s else 'missed'}"


class _Timed:
    """The coordinator's own work, with a watch on what it sends."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.took_s = 0.0
        self.clients: Sequence[str] = ()

    def observe(self, state: Federation) -> Sequence[Draft]:
        return self._work.observe(state)

    def send(self, run: Run, clients: Sequence[str]) -> None:
        begun_s = time.perf_counter()
        self._work.send(run, clients)
        self.took_s, self.clients = time.perf_counter() - begun_s, clients

    def send_missing(self, run: Run) -> None:
        self._work.send_missing(run)

    def lost(self, run: Run) -> Mapping[str, LossCode]:
        return self._work.lost(run)

    def has_unread(self) -> bool:
        return self._work.has_unread()

    def settled(self, receipt: Receipt) -> None:
        self._work.settled(receipt)


def _send_alone(c: Coordinator, clients: Sequence[str]) -> float:
    run, work = c.ledger.state().runs["r"], c.engine.world.work
    begun_s = time.perf_counter()
    for client in clients:
        work.send(run, [client])
    return time.perf_counter() - begun_s


def _coordinator(settings: Settings, signal: Signal) -> Coordinator:
    return Coordinator(
        settings=settings,
        clock=settings.clock,
        ledger=open_ledger(settings.ledger, settings.clock),
        blobs=Blobs(settings.folder / "blobs"),
        grid=Grid(signal),
        histories=None,
        sources=None,
        broker=connect(settings),
        transport=make_transport(settings),
        workbench=Workbench(["digits"]),
    )


def _enrol(c: Coordinator, zones: Sequence[str]) -> None:
    """Enrol the clients, and send a heartbeat of each."""
    names = [f"client-{n:05}" for n in range(_CLIENTS)]
    with c.ledger.transaction() as tx:
        tx.append(
            *(
                Draft(ClientEnrolled(zone=zone, num_examples=100), client=name)
                for name, zone in zip(names, cycle(zones), strict=False)
            )
        )
    pipeline = c.broker.pipeline(transaction=False)
    for name in names:
        beat = Heartbeat(client=name, incarnation="i", host="h", pid=1, at=wall_now())
        pipeline.set(heartbeat_key(name), beat.model_dump_json())
    pipeline.execute()
