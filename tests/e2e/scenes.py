"""Federations as the page can find them, written event by event into a real ledger."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from shutil import rmtree
from typing import Any

from common.clock import GridClock, wall_now
from common.messages import Energy
from scheduler.carbon.mean import mean_over
from scheduler.carbon.signals.typical_day import TypicalDay
from scheduler.federation.opening import open_ledger
from scheduler.ledger.event import Draft
from scheduler.ledger.events import (
    ClientSilent,
    GridRead,
    RoundEvaluated,
    RunBlocked,
    RunEnded,
    RunWaiting,
    SignalFellBack,
    UpdateAccepted,
)
from tests.unit.scheduler.story import HOUR, MINUTE, Story, gate, spec

SIX = {
    "toronto": "CA-ON", "madrid": "ES", "berlin": "DE", "athens": "GR", "oakland": "US-CAL-CISO",
    "sydney": "AU-NSW",
}  # fmt: skip

_ZONES = TypicalDay()
_ENERGY = Energy(energy_wh=2e-3, method="cpu", quality="modelled", pue=1.1)


class Scene(Story):
    """A federation on a modelled grid, as it stands now: its story begins `ago`."""

    def __init__(self, zones: dict[str, str], ago: timedelta) -> None:
        super().__init__()
        self.now = wall_now() - ago
        for client, zone in zones.items():
            self.enrol(client, zone)
            self.join(client)
        self.look()

    def look(self) -> None:
        """Read the grid and judge the gates."""
        hour = self.now.replace(minute=0, second=0, microsecond=0)
        zones = {client.zone for client in self.state.clients.values()}
        found = {zone: _ZONES.readings(zone, hour, hour + HOUR)[0] for zone in sorted(zones)}
        self.tell(GridRead(readings={zone: r.to_record() for zone, r in found.items()}))
        for client in self.state.clients.values():
            value = found[client.zone].gco2eq_per_kwh
            state = "open" if value <= 200 else "closed"
            if client.gate is None or client.gate.state != state:
                self.judge(client.id, state, value)

    def judge(self, client: str, state: Any, value: float) -> None:
        """Judge one gate."""
        self.tell(gate(state, intensity=value, since=self.now).to_payload(), client=client)

    def rest(self, span: timedelta) -> None:
        """Let time pass, and read the grid every hour."""
        until = self.now + span
        while self.now < until:
            self.later(min(HOUR, until - self.now))
            self.look()

    def hold_round(
        self, run: str, cohort: list[str], accuracy: float, *, wait: timedelta,
        at_sites: dict[str, float | None] | None = None,
    ) -> None:  # fmt: skip
        """Let a run wait, train for half an hour, and score the version.

        `at_sites` is what the pulled version is worth at some of the clients.
        """
        self.rest(wait)
        self.plan(*cohort, run=run)
        self.later(30 * MINUTE)
        number = len(self.state.runs[run].closed) + 1
        for client in cohort:
            zone = self.state.clients[client].zone
            word = f"{run}{number}{client}"
            found = {"accuracy": at_sites[client]} if at_sites and client in at_sites else {}
            receipt = self.receipt(
                client, word, run=run, round=number, energy=_ENERGY,
                started_at=self.now - 20 * MINUTE, metrics=found, num_held_out=64 * len(found),
            )  # fmt: skip
            intensity = _mean(zone, self.now - 20 * MINUTE, self.now)
            self.book(UpdateAccepted, receipt, intensity, network_wh=2e-4)
        self.close(run, version=f"{run}{number}", mean=_mean)
        metrics: dict[str, float | None] = {"accuracy": accuracy, "loss": 1 - accuracy}
        self.tell(RoundEvaluated(metrics=metrics), run=run, number=number)

    def put_into(self, home: Path) -> None:
        """Make it the ledger of a coordinator's home, in place of one that is there."""
        fresh = home / "fresh"
        fresh.mkdir(parents=True, exist_ok=True)
        ledger = open_ledger(f"sqlite:///{fresh / 'ledger.sqlite'}", GridClock())
        for at, events in groupby(self.events, key=lambda event: event.at):
            drafts = [Draft(e.payload, run=e.run, round=e.round, client=e.client) for e in events]
            with ledger.transaction(at=at) as tx:
                tx.append(*drafts)
        ledger.close()
        for old in home.glob("ledger.sqlite-*"):
            old.unlink()
        for new in fresh.glob("ledger.sqlite*"):
            if new.is_file():
                new.replace(home / new.name)
        # What is left there would be taken for that of a ledger which was moved away.
        rmtree(fresh)


def _mean(zone: str, start: datetime, end: datetime) -> float:
    hour = start.replace(minute=0, second=0, microsecond=0)
    return mean_over(_ZONES.readings(zone, hour, end + HOUR), start, end).gco2eq_per_kwh


# ---- what the page may find


def empty() -> Scene:
    """Return six sites and no run."""
    return Scene(SIX, HOUR)


def underway(*, then: timedelta = timedelta()) -> Scene:
    """Return two runs that ended, and a third that trains since five minutes before `then`."""
    scene = Scene(SIX, timedelta(days=4) + 5 * MINUTE + then)
    for name, fields in _ENDED.items():
        scene.start(spec(id=name, rounds=8, **fields))
        _hold_rounds(scene, name, 8)
        scene.tell(RunEnded(reason="rounds", last_version=None), run=name)
    scene.start(spec(id="digits-3", rounds=12))
    _hold_rounds(scene, "digits-3", 5)
    scene.rest(wall_now() - then - 5 * MINUTE - scene.now)
    scene.plan("toronto", "madrid", run="digits-3")
    scene.later(MINUTE)
    return scene


_ENDED: dict[str, dict[str, Any]] = {
    "digits-1": {"policy": "random"},
    "digits-2": {"policy": "greedy", "hyperparameters": {"learning_rate": 0.05, "epochs": 2}},
}


def own_time() -> Scene:
    """Return an asynchronous run to which toronto gives twice as many updates as others."""
    scene = Scene(SIX, timedelta(hours=26))
    scene.start(spec(id="own-time", rounds=40, mode="async", buffer=2, bias="none"))
    others = [name for name in SIX if name != "toronto"]
    for number in range(1, 11):
        cohort = ["toronto", others[number % len(others)]]
        scene.hold_round("own-time", cohort, 0.95 - 0.7 / (1 + number), wait=2 * HOUR)
    scene.plan("toronto", "madrid", run="own-time")
    scene.later(MINUTE)
    return scene


def waiting() -> Scene:
    """Return a run whose grids are too dirty for a second round."""
    scene = underway()
    scene.answer("toronto", "t", run="digits-3", round=6)
    scene.answer("madrid", "m", run="digits-3", round=6)
    scene.close("digits-3", mean=_mean)
    for client in SIX:
        scene.judge(client, "closed", 412.0)
    codes: dict[str, Any] = dict.fromkeys(SIX, "gate_closed")
    scene.tell(RunWaiting(reason="too_few", codes=codes), run="digits-3")
    return scene


def blocked() -> Scene:
    """Return a run that cannot go on, and a zone whose source does not answer."""
    scene = underway()
    scene.tell(
        SignalFellBack(
            zone="DE", expected="electricitymaps", active_source="typical_day",
            why="It answered 503 to the last request.",
        )
    )  # fmt: skip
    text = "The workload digits has no function metrics. Define it, and restart the coordinator."
    scene.tell(RunBlocked(step="score", text=text), run="digits-3")
    return scene


def silent() -> Scene:
    """Return a run whose workers have all stopped."""
    scene = underway()
    for client in SIX:
        scene.tell(ClientSilent(), client=client)
    return scene


def ended(*, ago: timedelta = timedelta()) -> Scene:
    """Return three runs that are over, the last of them for so long."""
    scene = underway(then=ago)
    scene.tell(RunEnded(reason="stopped"), run="digits-3")
    while wall_now() - scene.now > timedelta(days=1):
        scene.rest(timedelta(days=1))
    return scene


def evaluated_at_sites() -> Scene:
    """Return a run of which Toronto and Madrid evaluate what they pull; Madrid found NaN."""
    scene = Scene(SIX, timedelta(hours=2))
    scene.start(spec(id="digits-1", rounds=12, evaluate="both"))
    for _ in range(2):
        found = {"toronto": 0.75, "madrid": None}
        wait = 20 * MINUTE
        scene.hold_round("digits-1", ["madrid", "toronto"], 0.8, wait=wait, at_sites=found)
    return scene


def long() -> Scene:
    """Return a run of 300 rounds with 60 sites."""
    zones = list(_ZONES.zones())
    sites = {f"site-{n:02}": zones[n % len(zones)] for n in range(60)}
    scene = Scene(sites, timedelta(hours=305))
    scene.start(spec(id="long", rounds=1000, cohort=5))
    for number in range(300):
        cohort = [f"site-{(number * 7 + n) % 60:02}" for n in range(5)]
        scene.hold_round("long", cohort, 1 - 0.6 / (1 + number / 9), wait=30 * MINUTE)
    return scene


def _hold_rounds(scene: Scene, run: str, count: int) -> None:
    pace = {"digits-1": 2.0, "digits-2": 4.0}.get(run, 3.0)
    for number in range(1, count + 1):
        known = scene.state.clients.values()
        clean = [c.id for c in known if c.gate is not None and c.gate.is_open]
        cohort = list(SIX)[:3] if run == "digits-1" else clean[:3] or ["toronto", "madrid"]
        accuracy = 0.95 - 0.7 / (1 + number / pace * 2)
        scene.hold_round(run, cohort, accuracy, wait=pace * HOUR)
