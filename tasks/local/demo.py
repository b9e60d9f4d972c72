"""The demonstration: a federation as of `fairwind up`, and a scene: six sites in six grids.

The grid clock runs fast. It begins when everything is ready, so a slow machine shows the same days.
"""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import closing
from datetime import datetime
from pathlib import Path

from common import clock_start
from common.clock import GridClock, wall_now
from common.command_line.screen import Styled, echo
from common.hyperparameters import Hyperparameters
from common.settings.names import PREFIX
from scheduler.federation.opening import FederationLedger, open_ledger
from scheduler.ledger.bias_choice import choose_bias
from scheduler.ledger.event import Draft
from scheduler.ledger.events import RunStarted
from scheduler.ledger.round_size import choose_cohort
from scheduler.ledger.run_spec import RunSpec
from scheduler.status.summary import summary
from tasks.cli.figures import show_avoided, show_progress
from tasks.local.bring_up import bring_up, enroll_all
from tasks.local.env_file import shown, write_env
from tasks.local.federation import LocalFederation
from tasks.local.ports import PAGE_PORT, wanted_port
from tasks.local.run_printer import RunPrinter, stops_aloud
from tasks.local.scene import Scene, passed_on

_RUN = "demo"
_DONE_WITHIN_S = 300.0

_SETTINGS = {
    f"{PREFIX}WORKLOADS": "digits",
    f"{PREFIX}TICK_S": "0.5",
    f"{PREFIX}HEARTBEAT_S": "1",
    f"{PREFIX}SILENT_AFTER_S": "10",
    f"{PREFIX}DEVICE": "cpu",  # small models are faster there, and figures are the same anywhere
}


class Demo:
    """One run of the demonstration."""

    def __init__(self, folder: Path, scene: Scene, *, rounds: int, port: int | None) -> None:
        """Describe it.

        Raises:
            SettingError: If the port that was asked for is taken.
        """
        self._scene = scene
        self._folder = folder.absolute()
        self._rounds = rounds
        self._port = wanted_port(port, PAGE_PORT)

    def play(self, *, keep: bool) -> None:
        """Start a federation, train, print what happens, and stop everything.

        Raises:
            FairwindError: If a process does not start, dies, or the run does not end.
        """
        about = "  six sites in six grids learn together to read handwritten digits"
        echo(Styled("Fairwind", bold=True), about)
        shutil.rmtree(self._folder, ignore_errors=True)
        settings = {**_SETTINGS, **self._scene.settings, **self._clock_settings(), **passed_on()}
        url = os.environ.get(f"{PREFIX}REDIS_URL")
        with (
            LocalFederation(
                self._folder,
                self._scene.zones,
                settings=settings,
                redis_url=url,
                redis_users=not url,
            ) as federation,
            stops_aloud(),
        ):
            clock = self._start(federation)
            self._train(federation, clock)
            if keep:
                _stay()
            else:
                echo("Everything stops now. To keep it up: make demo ARGS=--keep")

    @property
    def _start_file(self) -> Path:
        return self._folder / "clock"

    def _clock_settings(self) -> dict[str, str]:
        """Return what makes the grid clock stand at the scene's start until it is begun."""
        if self._scene.grid_start is None:
            return {}
        return {
            f"{PREFIX}GRID_START": self._scene.grid_start.isoformat(),
            f"{PREFIX}GRID_SPEED": str(self._scene.grid_speed),
            f"{PREFIX}WALL_START_FILE": str(self._start_file),
        }

    def _clock(self, begun: datetime) -> GridClock:
        if self._scene.grid_start is None:
            return GridClock()
        return GridClock(
            wall_start=begun, grid_start=self._scene.grid_start, speed=self._scene.grid_speed
        )

    def _ledger(self, clock: GridClock) -> FederationLedger:
        return open_ledger(f"sqlite:///{self._folder / 'home' / 'ledger.sqlite'}", clock)

    def _start(self, federation: LocalFederation) -> GridClock:
        """Start everything, then the run and the grid clock, and return that."""
        write_env(self._folder / "env", federation.env)
        echo(f"Elsewhere . {shown(self._folder / 'env')} && fairwind status")
        held = self._start_file if self._scene.grid_start else None
        with closing(self._ledger(self._clock(wall_now()))) as ledger:
            enroll_all(ledger, federation, self._scene.zones)
            bring_up(federation, ledger, port=self._port, clock_file=held)
        begun = wall_now()
        clock = self._clock(begun)
        with closing(self._ledger(clock)) as ledger, ledger.transaction(at=begun) as tx:
            clients = len(tx.state.enrolled())
            spec = run_of(self._scene, rounds=self._rounds, clients=clients)
            tx.append(Draft(RunStarted(spec=spec), run=_RUN))
        if held:
            clock_start.begin(held, begun)
        return clock

    def _train(self, federation: LocalFederation, clock: GridClock) -> None:
        echo(f"Clock     {self._scene.clock_text}")
        echo()
        printer = RunPrinter(self._scene.zones, clock, self._rounds)
        with closing(self._ledger(clock)) as ledger:

            def ended() -> bool:
                printer.print_news(ledger.state(), ledger.state().runs[_RUN])
                return ledger.state().runs[_RUN].ended_at is not None

            federation.wait_for(ended, _DONE_WITHIN_S, "the run to end")
            current = summary(ledger.state().runs[_RUN])
        echo()
        echo(Styled(show_progress(current), bold=True))
        echo(f"Avoided      {show_avoided(current)}")
        echo(f"Watch        http://127.0.0.1:{self._port}/rounds      fairwind status")


def run_of(scene: Scene, *, rounds: int, clients: int) -> RunSpec:
    """Return the run of the demonstration; what it leaves open is chosen as in `run start`."""
    spec = RunSpec(
        id=_RUN, workload="digits", rounds=rounds,
        hyperparameters=Hyperparameters(epochs=8), seed=1, **scene.run,
    )  # fmt: skip
    spec, _ = choose_bias(spec, clients=clients, version_nbytes=None, free_nbytes=0)
    spec, _ = choose_cohort(spec, clients=clients)
    return spec


def _stay() -> None:
    """Return at Ctrl-C: here that is how it ends well."""
    echo("Everything stays up until Ctrl-C.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        echo()
        echo("Stopping everything ... (Ctrl-C again: at once)")
