"""The demonstration: six sites in six grids train one model, while the grid clock runs fast."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import click
import redis

from common.clock import GridClock, wall_now
from common.messages import Hyperparameters
from common.settings.names import PREFIX
from scheduler.federation.opening import FederationLedger, open_ledger
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientEnrolled, RunStarted
from scheduler.ledger.run_spec import RunSpec
from scheduler.status.summary import summary
from tasks.cli.figures import show_avoided, show_progress
from tasks.local.env_file import shown, write_env
from tasks.local.federation import LocalFederation
from tasks.local.ports import free_port
from tasks.local.run_printer import RunPrinter, waiting
from tasks.local.scene import Scene, passed_on
from tasks.messaging.heartbeats import read_heartbeats

_LEAD_S = 7.0
"""Wall seconds from the start of the coordinator until the grid clock shows the scene's start."""

_RUN = "demo"
_READY_WITHIN_S = 120.0
_DONE_WITHIN_S = 180.0

_SETTINGS = {
    f"{PREFIX}WORKLOADS": "digits",
    f"{PREFIX}TICK_S": "0.5",
    f"{PREFIX}HEARTBEAT_S": "1",
    f"{PREFIX}SILENT_AFTER_S": "10",
}


class Demo:
    """One run of the demonstration."""

    def __init__(self, folder: Path, scene: Scene, *, rounds: int, port: int) -> None:
        self._scene = scene
        self._folder = folder.absolute()
        self._rounds = rounds
        self._port = free_port(port)

    def play(self, *, keep: bool) -> None:
        """Start a federation, train, print what happens, and stop everything.

        Raises:
            FairwindError: If a process does not start, dies, or the run does not end.
        """
        bold = click.style("Fairwind", bold=True)
        click.echo(f"{bold}  six sites in six grids learn together to read handwritten digits")
        zones, settings = self._scene.zones, {**_SETTINGS, **self._scene.settings, **passed_on()}
        shutil.rmtree(self._folder, ignore_errors=True)
        url = os.environ.get(f"{PREFIX}REDIS_URL")
        with LocalFederation(self._folder, zones, settings=settings, redis_url=url) as federation:
            click.echo(f"Watch     http://127.0.0.1:{self._port}/rounds  in half a minute")
            click.echo(f"Elsewhere . {shown(self._folder / 'env')} && fairwind status")
            ledger, clock = self._start(federation)
            self._train(federation, ledger, clock)
            if keep:
                click.echo("Everything stays up until Ctrl-C.")
                signal.pause()
            click.echo("Everything stops now. To keep it up: make demo ARGS=--keep")

    def _start(self, federation: LocalFederation) -> tuple[FederationLedger, GridClock]:
        """Start the sites, then, with the grid clock set, everything else."""
        zones = self._scene.zones
        for client in zones:
            federation.start_site(client)
        with waiting(f"Starting  {len(zones)} sites, a Celery worker each"):
            broker = redis.Redis.from_url(federation.redis_url)
            federation.wait_for(
                lambda: len(read_heartbeats(broker, zones)) == len(zones),
                _READY_WITHIN_S,
                "the sites",
            )
        clock = _set_clock(federation, self._scene)
        write_env(self._folder / "env", federation.env)
        ledger = _enrolled(federation, clock, zones)
        opens = self._scene.grid_start or clock.now()
        federation.start_coordinator()
        federation.start_beat()
        federation.start_flower(self._port)
        with waiting("Starting  coordinator, beat and Celery Flower"):
            federation.wait_for(
                lambda: all(client.alive for client in ledger.state().clients.values())
                and clock.now() >= opens,
                _READY_WITHIN_S, "the coordinator",
            )  # fmt: skip
        return ledger, clock

    def _train(
        self, federation: LocalFederation, ledger: FederationLedger, clock: GridClock
    ) -> None:
        click.echo(f"Clock     {self._scene.clock_text}\n")
        spec = RunSpec(
            id=_RUN, workload="digits", rounds=self._rounds,
            hyperparameters=Hyperparameters(epochs=8), seed=1, **self._scene.run,
        )  # fmt: skip
        with ledger.transaction() as tx:
            tx.append(Draft(RunStarted(spec=spec), run=_RUN))
        printer = RunPrinter(self._scene.zones, clock, self._rounds)

        def ended() -> bool:
            printer.print_news(ledger.state(), ledger.state().runs[_RUN])
            return ledger.state().runs[_RUN].ended_at is not None

        federation.wait_for(ended, _DONE_WITHIN_S, "the run to end")
        federation.wait_for(self._page_answers, _READY_WITHIN_S, "the Rounds page")
        current = summary(ledger.state().runs[_RUN])
        click.echo()
        click.echo(click.style(show_progress(current), bold=True))
        click.echo(f"Avoided      {show_avoided(current)}")
        click.echo(f"Watch        http://127.0.0.1:{self._port}/rounds      fairwind status")

    def _page_answers(self) -> bool:
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=5)) as page:
            try:
                page.request("GET", "/rounds/data")
                return page.getresponse().status == HTTPStatus.OK
            except (OSError, HTTPException):
                return False


def _set_clock(federation: LocalFederation, scene: Scene) -> GridClock:
    """Place the grid clock, for this process and for those that are started from now on."""
    if scene.grid_start is None:
        return GridClock()
    clock = GridClock(
        wall_start=wall_now() + timedelta(seconds=_LEAD_S),
        grid_start=scene.grid_start,
        speed=scene.grid_speed,
    )
    federation.env |= {
        f"{PREFIX}WALL_START": clock.wall_start.isoformat(),
        f"{PREFIX}GRID_START": clock.grid_start.isoformat(),
        f"{PREFIX}GRID_SPEED": str(clock.speed),
    }
    return clock


def _enrolled(
    federation: LocalFederation, clock: GridClock, zones: Mapping[str, str]
) -> FederationLedger:
    ledger = open_ledger(f"sqlite:///{federation.folder / 'home' / 'ledger.sqlite'}", clock)
    with ledger.transaction() as tx:
        for client, zone in zones.items():
            tx.append(Draft(ClientEnrolled(zone=zone), client=client))
    return ledger
