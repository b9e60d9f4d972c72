"""Commands of a site's administrator about its policy: what is in force, and what is approved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from common import settings as settings_
from common.clock import wall_now
from common.command_line.output import as_json, print_json
from common.command_line.screen import Styled, echo
from common.command_line.table import print_table
from common.errors import SettingError
from common.settings import Settings
from common.units import show_duration
from common.workload_names import run_name
from tasks.site.entry import Decided
from tasks.site.journal import open_journal
from tasks.site.site_approvals import SiteApprovals
from tasks.site.site_files import SiteFiles, find_client
from tasks.site.site_policy_in_force import OF_SETTINGS, SitePolicy, policy_in_force
from tasks.site.worker_state import Limits, WorkerState
from tasks.site.workload_source import source_hash

_LINES = (
    "runs", "workloads", "approve", "hours", "ceiling_gco2eq_per_kwh", "reading",
    "reading_max_age_s", "training_s", "epochs", "steps", "examples", "memory_mb", "model_mb",
    "mb_per_day", "energy_wh_per_day", "trainings_per_day", "metrics", "counts",
    "require", "epsilon", "delta",
)  # fmt: skip

_ABSENT = {
    "hours": "any", "runs": "any", "workloads": "any", "metrics": "all", "reading": "none",
    "require": "none", "delta": "0.1 / records",
}  # fmt: skip
"""What stands where a line is not set; elsewhere ``no limit``."""

of_client = click.option(
    "--client", envvar="FAIRWIND_CLIENT", help="Which site, if FAIRWIND_HOME holds several."
)


@click.command()
@of_client
@as_json
def policy(client: str | None, *, as_json: bool) -> None:
    """Print the site policy in force, and where each line comes from."""
    ours = settings_.load()
    keeps = kept_to(ours, client)
    found = policy_in_force(keeps)
    lines = [(name, _plain(getattr(found, name)), origin) for name, origin in _origins(found)]
    if as_json:
        print_json(
            {
                "file": str(keeps.site_policy) if keeps.site_policy else None,
                "version": found.version, "fault": found.fault,
                "policy": {name: {"value": value, "from": origin} for name, value, origin in lines},
            }
        )  # fmt: skip
        return
    echo(Styled(_heading(keeps, found), bold=True, fg="red" if found.fault else None))
    echo()
    print_table(["line", "in force", "from"], [(name, _show(name, v), o) for name, v, o in lines])
    if found.ceiling_gco2eq_per_kwh is not None and found.reading is None:
        echo()
        echo(
            "The ceiling is advisory: it is held against the intensity that the coordinator "
            "sends. Set reading to judge by a reading of the site's own."
        )


@click.command(name="hash")
@click.argument("workload")
def hash_(workload: str) -> None:
    """Print the hash of the source of WORKLOAD, for the site policy."""
    echo(_source(settings_.load(), workload))


@click.command()
@of_client
@as_json
def waiting(client: str | None, *, as_json: bool) -> None:
    """List the workloads whose first run waits for approval."""
    ours = settings_.load()
    found = _approvals(ours, find_client(ours, client)).waiting()
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
    elif not found:
        echo("Nothing waits for approval.")
    else:
        rows = [
            (each.workload, f"{each.since:%Y-%m-%d %H:%M}", each.run, each.source) for each in found
        ]
        print_table(["workload", "since", "first run", "source"], rows)
        echo()
        echo(f"To approve one: fairwind site approve {found[0].workload}")


@click.command()
@click.argument("workload")
@of_client
def approve(workload: str, client: str | None) -> None:
    """Approve WORKLOAD as its source is now.

    Another source of it waits again.
    """
    ours = settings_.load()
    name = find_client(ours, client)
    source = _source(ours, workload)
    new = _approvals(ours, name).approve(run_name(workload), source, now=wall_now())
    if not new:
        echo(f"{workload} ({source}) was approved already.")
        return
    decided = Decided(at=wall_now(), what="approved", about=f"{run_name(workload)} {source}")
    open_journal(ours, name).append(decided)
    echo(f"{workload} ({source}) is approved at {name}. A run that waits for it goes on by itself.")


COMMANDS = (policy, hash_, waiting, approve)


def kept_to(ours: Settings, client: str | None) -> Settings | Limits:
    """Return what the site's worker was started with; this shell's settings before its first."""
    try:
        worker = WorkerState.last(SiteFiles(ours, find_client(ours, client)))
    except SettingError:
        if client is not None:
            raise
        worker = None
    return worker.limits if worker else ours


def _approvals(ours: Settings, client: str) -> SiteApprovals:
    return SiteApprovals(SiteFiles(ours, client).folder)


def _source(ours: Settings, workload: str) -> str:
    found = source_hash(workload, ours.workloads)
    if found is None:
        msg = (
            f"The source of the workload {workload!r} is not found from here, so nothing was "
            "done. Run the command in the folder in which the worker was started."
        )
        raise SettingError(msg)
    return found


def _origins(found: SitePolicy) -> Iterator[tuple[str, str]]:
    """Yield each line of the policy, and where its value comes from."""
    of_settings = settings_.origins()
    for name in _LINES:
        if name in found.from_file:
            yield name, "policy file"
        elif name in OF_SETTINGS:
            origin = of_settings[OF_SETTINGS[name]]
            is_set = getattr(found, name) not in (None, ())
            known = {"environment": "environment", "file": "settings file"}
            yield name, known.get(origin, "environment of the worker" if is_set else "default")
        else:
            yield name, "default"


def _heading(keeps: Settings | Limits, found: SitePolicy) -> str:
    if found.fault is not None:
        return found.fault
    if found.version is None:
        return "No policy file (FAIRWIND_SITE_POLICY): the site's settings are its policy."
    return f"Policy {found.version}, from {keeps.site_policy}"


def _plain(value: Any) -> Any:
    """Return a value as JSON holds it."""
    if isinstance(value, tuple):
        return list(value)
    return value if value is None or isinstance(value, int | float | dict) else str(value)


def _show(name: str, value: Any) -> str:
    if value is None or value == []:
        return "none" if name == "metrics" and value == [] else _ABSENT.get(name, "no limit")
    if isinstance(value, dict):
        return ", ".join(f"{key} ({source[:19]})" for key, source in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(value)
    if name.endswith("_s"):
        return show_duration(float(value))
    return f"{value:g}" if isinstance(value, float) else str(value)
