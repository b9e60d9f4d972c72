"""`fairwind up`: a federation on this machine, for real work, until it is stopped."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path

from common import settings as settings_
from common.clock import wall_now
from common.command_line.screen import Styled, echo
from common.errors import FederationError, SettingError
from common.workload_names import run_name
from scheduler.federation.opening import FederationLedger, open_ledger
from tasks.cli.event_lines import EventLines
from tasks.cli.grids import check_zone
from tasks.cli.preflight import hidden_names
from tasks.local.arrangement import Wanted, broker_of, remember, settings_of, site_env
from tasks.local.bring_up import bring_up, enroll_all
from tasks.local.env_file import shown, write_env
from tasks.local.federation import LocalFederation
from tasks.local.folder_lock import FolderLock, folder_words, hold
from tasks.local.remembered import Remembered
from tasks.local.run_printer import stops_aloud
from tasks.local.watchdog import Ended, Restarted, Watchdog

_LOOK_EVERY_S = 1.0


class Up:
    """A federation in a folder: brought up, watched, and stopped."""

    def __init__(self, folder: Path, wanted: Wanted) -> None:
        self._folder = folder.absolute()
        self._wanted = wanted

    def run(self) -> None:
        """Bring everything up, print what happens, and return only by Ctrl-C or SIGTERM.

        Raises:
            FairwindError: If a setting, a zone or the folder does not allow it, or a process does
                not start.
        """
        for finding in hidden_names():
            raise SettingError(finding.text)
        with hold(self._folder) as lock:
            kept = remember(self._folder, self._wanted)
            settings = settings_of(self._folder, kept)
            url, port = broker_of(kept)
            echo(
                Styled("Fairwind", bold=True),
                f"  a federation on this machine, kept in {shown(self._folder)}",
            )
            with (
                LocalFederation(
                    self._folder, {}, settings=settings, redis_url=url, redis_port=port,
                    redis_users=url is None,
                    cwd=Path.cwd(),
                ) as federation,
                stops_aloud(),
            ):  # fmt: skip
                self._serve(federation, kept, lock)

    def _serve(self, federation: LocalFederation, kept: Remembered, lock: FolderLock) -> None:
        # What `fairwind` does in another shell, this process does, too: under the same settings.
        os.environ.update(federation.env)
        settings_.load.cache_clear()
        with closing(self._ledger()) as ledger:
            seen = ledger.latest_seq()
            enroll_all(ledger, federation, self._wanted.zones)
            federation.zones.update(_zones(ledger, kept))
            # Those of before may have used a Redis without users.
            enroll_all(ledger, federation, federation.zones)
            redis_port = federation.redis.port if federation.redis else kept.redis_port
            kept.model_copy(update={"redis_port": redis_port}).save(self._folder)
            write_env(self._folder / "env", federation.env)
            if federation.redis is not None:
                server = federation.redis
                echo(f"Redis     {server.program.name} on port {server.port}")
            bring_up(
                federation, ledger, port=kept.page_port,
                site_env=site_env(self._folder, kept.sites),
            )  # fmt: skip
            lock.note(ready=True)
            self._print_hints(federation, ledger, kept)
            _watch(federation, ledger, seen)

    def _ledger(self) -> FederationLedger:
        ours = settings_.load()
        for zone in self._wanted.zones.values():
            if unchecked := check_zone(ours, zone):
                echo(f"Whether there is a zone {zone} could not be checked: {unchecked}")
        return open_ledger(ours.ledger, ours.clock)

    def _print_hints(
        self, federation: LocalFederation, ledger: FederationLedger, kept: Remembered
    ) -> None:
        here = shown(self._folder)
        echo(f"Elsewhere . {here}/env        in another shell, in this folder")
        if not ledger.state().clients:
            echo("Sites     none yet: stop this, then: fairwind up --sites lyon:FR,oslo:NO-NO1")
        elif not ledger.state().active:
            workload = kept.workloads[-1] if kept.workloads else "digits"
            echo(f"Then      fairwind run start {run_name(workload)} --rounds 5")
        echo(f"Stop      Ctrl-C, or: fairwind down{folder_words(self._folder)}")
        echo(f"Logs      {shown(federation.processes.folder)}; times below are UTC")
        echo()


def _zones(ledger: FederationLedger, kept: Remembered) -> dict[str, str]:
    clients = ledger.state().clients
    here = [clients[site] for site in kept.sites if site in clients]
    if lost := sorted(set(kept.sites) - clients.keys()):
        msg = (
            f"The ledger does not know {', '.join(lost)}, which ran here before, so nothing was "
            f"started. Name the zone again: fairwind up --sites {lost[0]}:ZONE"
        )
        raise FederationError(msg)
    return {client.id: client.zone for client in here if not client.retired}


def _watch(federation: LocalFederation, ledger: FederationLedger, seen: int) -> None:
    """Print what happens, and start again what ended, until this process is interrupted."""
    lines, watchdog = EventLines(), Watchdog(federation.processes, time.monotonic)
    while True:
        if ledger.latest_seq() > seen:
            state = ledger.state()
            for event in ledger.events(after=seen):
                seen = event.seq
                if line := lines.line(event, state):
                    echo(line)
        for change in watchdog.look():
            _print_change(federation, change)
        federation.processes.trim_logs()
        time.sleep(_LOOK_EVERY_S)


def _print_change(federation: LocalFederation, change: Ended | Restarted) -> None:
    now = f"{wall_now():%a %H:%M:%S}  {change.name:<12}"
    if isinstance(change, Restarted):
        echo(f"{now}  started again")
        return
    words = federation.processes.tail(change.name).splitlines()[-1].strip()
    last = f" Its last words: {words}" if change.status > 0 else ""
    log = shown(federation.processes.log_path(change.name))
    text = f"{change}; it starts again in {change.pause_s:.0f} s.{last} Log: {log}"
    echo(Styled(f"{now}  {text}", fg="yellow"))
