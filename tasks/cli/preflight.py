"""Preflight checks: what would go wrong on this machine, found before it does."""

from __future__ import annotations

import importlib.util
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

import redis

from common import settings as settings_
from common.errors import FairwindError, SignalError
from common.files import check_writable
from common.private_files import is_open
from common.settings import Settings
from common.units import show_bytes
from common.workload_names import FLOWER, OUR_NAMES, is_installed
from models.energy.findings import meter_findings
from scheduler.carbon.local_signal import trace_coverage
from scheduler.federation.client import Client
from scheduler.federation.opening import read_ledger
from scheduler.status.explain import blocked_sentence
from scheduler.status.names import SHOWN_NAMES, listed
from tasks.cli.finding import Finding
from tasks.cli.grids import account_statuses, known_zones
from tasks.cli.preflight_kits import check_kits
from tasks.cli.preflight_redis import check_drivers, check_redis, check_workers
from tasks.cli.preflight_signing import check_signing
from tasks.cli.preflight_site import check_site_policy
from tasks.cli.preflight_users import check_redis_users
from tasks.roles import coordinator_folders, site_folders

PROJECT = Path(__file__).resolve().parents[2]

_LEAST_FREE_BYTES = 1 << 30


def findings() -> list[Finding]:
    """Check everything that a coordinator on this machine needs."""
    try:
        ours = settings_.load()
    except FairwindError as error:
        return [Finding("error", str(error))]
    return [finding for check in _CHECKS for finding in check(ours)]


def _shadowed(_: Settings) -> Iterator[Finding]:
    yield from hidden_names()


def hidden_names() -> Iterator[Finding]:
    """Yield what in the current folder would be loaded instead of ours."""
    here = Path.cwd()
    for name in OUR_NAMES:
        for found in (here / name, here / f"{name}.py"):
            if found.exists() and found.resolve().parent != PROJECT:
                yield Finding(
                    "error",
                    f"{found} has the name of Fairwind's own {name}, and a process can load only "
                    "one of them: a workload would not find yours, or a worker would not find "
                    f"ours. Rename yours, or put it inside a package (my_project/{name}).",
                )


def _secrets(ours: Settings) -> Iterator[Finding]:
    path = settings_.settings_file()
    if path is None:
        return
    yield Finding("ok", f"Settings are read from {path}, too.")
    origins = settings_.origins()
    secrets = [
        name
        for name in Settings.model_fields
        if origins[name] == "file" and settings_.is_secret(name, getattr(ours, name))
    ]
    if secrets and path.stat().st_mode & stat.S_IROTH:
        yield Finding(
            "warning",
            f"Every user of this machine can read {', '.join(secrets)} in {path}. Close the file: "
            f"chmod o-rwx {path}",
        )


def _signal(ours: Settings) -> Iterator[Finding]:
    try:
        text = f"Signal {', '.join(ours.signal)} has {len(known_zones(ours))} zones."
    except SignalError as error:
        yield Finding("warning", str(error))
    else:
        yield Finding("ok", text)
    yield from _trace(ours)
    for status in account_statuses(ours):
        if status.breaker == "closed" and not status.paused_until and status.fails:
            yield Finding(
                "warning",
                f"{status.account.provider} failed when it was last requested "
                f"({status.last_fault}), so the next source is used. Correct that; Fairwind tries "
                "again by itself.",
            )
        if status.breaker != "closed" or status.paused_until:
            yield Finding(
                "warning",
                f"{status.account.provider} is not requested for now ({status.last_fault}), so the "
                "next source is used. `fairwind signal` shows until when. Check its key if it "
                "refused it.",
            )


def _trace(ours: Settings) -> Iterator[Finding]:
    """Say what was read of a trace: nobody looks at each of its rows."""
    zones = trace_coverage(ours)
    if not zones:
        return
    first, last = min(zone.start for zone in zones), max(zone.end for zone in zones)
    gaps = [zone.zone for zone in zones if zone.missing]
    missing = f" (in {listed(gaps, most=SHOWN_NAMES)})" if gaps else ""
    yield Finding(
        "ok",
        f"The trace {ours.trace_path} holds {sum(zone.hours for zone in zones):,} hours of "
        f"{len(zones)} zones, {ours.trace_scope}, from {first:%Y-%m-%d %H:%M} to "
        f"{last:%Y-%m-%d %H:%M} UTC; {sum(zone.missing for zone in zones):,} are missing{missing}, "
        f"{sum(zone.estimated for zone in zones):,} are estimated.",
    )


def _meters(ours: Settings) -> Iterator[Finding]:
    for level, text in meter_findings(ours):
        yield Finding(level, text)


def _ledger(ours: Settings) -> Iterator[Finding]:
    if not (ours.folder / "ledger.sqlite").exists() and ours.ledger_url is None:
        if sites := _sites(ours):
            text = f"{ours.folder} is the folder of the site {listed(sites, most=SHOWN_NAMES)}"
            yield Finding("ok", f"{text}; the ledger is the coordinator's.")
            return
        yield Finding(
            "warning",
            f"There is no ledger in {ours.folder} yet, so no client is enrolled. "
            "Enrol clients with `fairwind enroll`.",
        )
        return
    ledger = read_ledger(ours.ledger)
    state = ledger.state()
    yield Finding("ok", f"Ledger with {state.seq} events, {len(state.clients)} clients.")
    yield Finding(
        "ok",
        "The ledger is SQLite, which serves coordinators of one host; keep it on a local disk.",
    )
    for run in state.runs.values():
        if run.blocked is not None and run.ended_at is None:
            yield Finding("warning", blocked_sentence(run))
    for client in _in_unknown_zones(ours, state.clients.values()):
        yield Finding(
            "warning",
            f"{client.id} is enrolled in zone {client.zone}, which {' or '.join(ours.signal)} "
            "does not know: its gate stays unknown and it never trains. Enrol it in a zone "
            "of `fairwind zones`, or choose another signal.",
        )


def _in_unknown_zones(ours: Settings, clients: Iterable[Client]) -> list[Client]:
    """Return the clients in zones that no source has; none where the zones cannot be listed."""
    try:
        known = known_zones(ours)
    except SignalError:
        return []
    return [client for client in clients if client.zone not in known]


def _sites(ours: Settings) -> list[str]:
    """Return the sites that have a folder here."""
    return sorted(path.name for path in (ours.folder / "site").glob("*/"))


def _home(ours: Settings) -> Iterator[Finding]:
    """Check that what runs here can keep what it has to: the workers refuse to start otherwise."""
    sites = _sites(ours)
    folders = [*coordinator_folders(ours.folder)]
    folders += [folder for client in sites for folder in site_folders(ours.folder, client)]
    found = {
        next(each for each in (folder, *folder.parents) if each.exists()) for folder in folders
    }
    for folder in sorted(found):
        check_writable(folder, setting="FAIRWIND_HOME")
    yield Finding("ok", f"{ours.folder} can be written.")
    if ours.folder.exists() and is_open(ours.folder):
        yield Finding(
            "warning",
            f"Other users of this machine can look into {ours.folder}: what it keeps is "
            f"not for them. The next start of a worker closes it; or: chmod -R go= {ours.folder}",
        )


def _disk(ours: Settings) -> Iterator[Finding]:
    folder = ours.folder if ours.folder.exists() else Path.home()
    free = shutil.disk_usage(folder).free
    level: Literal["ok", "warning"] = "ok" if free > _LEAST_FREE_BYTES else "warning"
    advice = "" if level == "ok" else " Updates are kept on disk: free some, or move FAIRWIND_HOME."
    yield Finding(level, f"{show_bytes(free)} free in {folder}.{advice}")


def _workloads(ours: Settings) -> Iterator[Finding]:
    for name in ours.workloads:
        if name.startswith(FLOWER):
            if not is_installed(name):
                yield Finding("warning", f"The workload {name} names no folder of a Flower app.")
            continue
        module = name.partition(":")[0]
        shipped = "." not in module and _importable(f"models.workloads.{module}")
        if not shipped and not _importable(module):
            yield Finding(
                "warning",
                f"The workload {name} cannot be found from here, so its runs would fail. Start "
                "workers in the folder that holds it, or install it.",
            )


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _guarded(
    check: Callable[[Settings], Iterator[Finding]],
) -> Callable[[Settings], Iterator[Finding]]:
    def guarded(ours: Settings) -> Iterator[Finding]:
        try:
            yield from check(ours)
        except FairwindError as error:
            yield Finding("error", str(error))
        except redis.RedisError as error:
            yield Finding(
                "error",
                f"Redis failed during a check ({error}), so the rest is unknown. Repair it first.",
            )

    return guarded


_CHECKS = [
    _guarded(check)
    for check in (
        _shadowed,
        _secrets,
        check_redis,
        check_redis_users,
        check_drivers,
        _signal,
        _ledger,
        check_signing,
        check_kits,
        check_site_policy,
        check_workers,
        _home,
        _disk,
        _workloads,
        _meters,
    )
]
