"""Commands of a site's administrator: they read and write the site's own files, and nothing else.

But for `join`, they need neither ledger nor coordinator nor Redis. None loads torch or a database.
"""

from __future__ import annotations

import csv
import re
import sys
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from common import settings as settings_
from common.clock import wall_now
from common.command_line.output import as_json, print_json
from common.command_line.screen import Styled, echo, echo_lines
from common.command_line.table import print_table
from common.csv_cell import csv_cell
from common.errors import SettingError
from common.messages import NAME_PATTERN
from common.units import show_bytes
from tasks.cli.site_audit import site_audit
from tasks.cli.site_policy import COMMANDS, of_client
from tasks.cli.site_privacy import privacy
from tasks.cli.site_screen import TASK_COLUMNS, print_limits, print_memory, print_totals, task_row
from tasks.roles import site_key_file
from tasks.site import own_model
from tasks.site.egress import last_egress
from tasks.site.entry import Decided
from tasks.site.journal import open_journal
from tasks.site.memory import SiteMemory
from tasks.site.site_clock import clock_sentence
from tasks.site.site_files import SiteFiles, find_client
from tasks.site.site_history import Task, as_row, tasks_of
from tasks.site.site_status import INTENSITY_SOURCE, site_status

_NAMED_TENSORS = 8
"""So many tensors are named; the others are counted."""


class _OwnFiles(click.Group):
    """Commands on a site's own files, which only some users may read."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except PermissionError as error:
            msg = (
                f"This user may not use {error.filename}, so nothing was done. Run the command as "
                "the user of the site's worker, for instance with sudo -u."
            )
            raise SettingError(msg) from error
        except BrokenPipeError:
            raise  # whoever reads what is printed has seen enough, such as `head`
        except OSError as error:
            msg = (
                f"{error.filename or 'A file of the site'} cannot be used ({error.strerror}), so "
                "nothing was done. Repair or remove it: only the site's worker and these commands "
                "write there."
            )
            raise SettingError(msg) from error


@click.group(cls=_OwnFiles)
def site() -> None:
    """Join, look at a site, or pause it, at the site: for its administrator."""


for _command in (*COMMANDS, privacy, site_audit):
    site.add_command(_command)


@site.command()
@of_client
@as_json
def status(client: str | None, *, as_json: bool) -> None:
    """Show what the site does, did, and its limits."""
    ours = settings_.load()
    seen = site_status(ours, find_client(ours, client), wall_now())
    if as_json:
        print_json(seen.to_dict())
        return
    if seen.clock_ahead_s:
        echo(Styled(clock_sentence(seen.clock_ahead_s), fg="yellow"))
    echo(Styled(seen.sentence, bold=True))
    echo()
    print_totals(seen)
    echo()
    print_limits(seen)
    print_memory(seen)
    echo()
    echo(f"Emissions: energy times {INTENSITY_SOURCE}.")
    echo("Days and months are UTC.")


@site.command()
@of_client
@click.option(
    "--days", default=31, show_default=True, type=click.IntRange(1, 730), help="How far back."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
@as_json
def history(client: str | None, *, days: int, as_csv: bool, as_json: bool) -> None:
    """List what the site did, a task or decline a row.

    The newest is last. A task is there as soon as it has begun.
    """
    ours = settings_.load()
    since = wall_now() - timedelta(days=days)
    entries = open_journal(ours, find_client(ours, client)).read(since=since)
    tasks = [task for task in tasks_of(entries) if task.at >= since]
    if as_json:
        print_json([as_row(task) for task in tasks])
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, [field.name for field in fields(Task)])
        writer.writeheader()
        writer.writerows(
            {name: csv_cell(value) for name, value in as_row(task).items()} for task in tasks
        )
    elif tasks:
        print_table(TASK_COLUMNS, [task_row(task) for task in tasks])
    else:
        echo(f"Nothing in the last {days} days.")


@site.command()
@click.argument("kit_path", metavar="KIT", type=click.Path(path_type=Path, dir_okay=False))
def join(kit_path: Path) -> None:
    """Join a federation with the kit that its operator handed over.

    Checks the kit and that Redis can be reached, makes the site's key here, writes its settings,
    and sends the public half of the key. To do it twice is harmless.
    """
    from common.kit import read_kit  # noqa: PLC0415 - few verbs load cryptography
    from tasks.site.joining import join as join_site  # noqa: PLC0415 - loads Celery

    kit = read_kit(kit_path)
    joined = join_site(kit)
    first = "is sent again" if joined.again else "is sent"
    echo(Styled(f"{kit.client} joins: its public key {first} to the coordinator.", bold=True))
    examples = "no limit" if kit.num_examples is None else f"{kit.num_examples} at most"
    rows = (
        ("zone", kit.zone),
        ("examples", examples),
        ("Redis", f"{kit.redis.shown}, as user {kit.redis.user}"),
        ("coordinator", kit.coordinator_key),
        ("own key", f"{joined.key}{', in place of the old one' * joined.replaced}"),
        ("private half", f"{joined.key_file}; it stays here"),
        ("settings", str(joined.settings_file)),
    )
    for name, value in rows:
        echo(f"{name:<14}{value}")
    echo()
    echo_lines(
        f"The kit allows this site to take the work of {kit.client}, to read models, and to send "
        "updates and\nheartbeats in its own name. It allows nothing else in Redis. Your limits are "
        "your own: see the settings."
    )
    echo()
    echo_lines(
        f"Next: add your limits to the settings, and {_START[joined.replaced]} the worker:\n"
        f"celery -A tasks worker -Q client.{kit.client}\n"
        "The coordinator accepts the key as soon as it runs; its operator sees that with `fairwind "
        "clients`.\nDelete the kit then: it holds a password, and is of no more use."
    )


_START = {False: "start", True: "restart"}


@site.command()
@of_client
def key(client: str | None) -> None:
    """Print the site's public key; make the key if there is none.

    It is for the coordinator: `fairwind enroll CLIENT --key KEY`. Name the site with --client
    before its worker has run here for the first time.
    """
    from common.identity import load_or_make  # noqa: PLC0415 - few verbs load cryptography

    client = client or find_client(settings_.load(), None)
    if not re.fullmatch(NAME_PATTERN, client):
        msg = f"{client!r} is no client id. Use letters, digits, dots, dashes and underscores."
        raise SettingError(msg)
    echo(load_or_make(site_key_file(settings_.load().folder, client)).public.text)


@site.command()
@of_client
def pause(client: str | None) -> None:
    """Decline all new work until `resume`.

    A reboot changes nothing. A task in work is finished first.
    """
    ours = settings_.load()
    name = find_client(ours, client)
    if not SiteFiles(ours, name).pause():
        echo(f"{name} was paused already. To go on: fairwind site resume")
        return
    open_journal(ours, name).append(Decided(at=wall_now(), what="paused"))
    task = site_status(ours, name, wall_now()).task
    busy = f" {task.run} round {task.round}, which is in work, is finished first." if task else ""
    echo(f"{name} is paused and declines new work.{busy} To go on: fairwind site resume")


@site.command()
@of_client
def resume(client: str | None) -> None:
    """End a pause."""
    ours = settings_.load()
    name = find_client(ours, client)
    ended = SiteFiles(ours, name).resume()
    if ended:
        open_journal(ours, name).append(Decided(at=wall_now(), what="resumed"))
    echo(f"{name} accepts work again." if ended else f"{name} was not paused.")


@site.command()
@of_client
@as_json
def egress(client: str | None, *, as_json: bool) -> None:
    """Show the last update that left the site.

    Its size, hash and tensors, and the message that went beside it: nothing else leaves with it.
    """
    ours = settings_.load()
    left = last_egress(ours, find_client(ours, client))
    if as_json:
        print_json(left.to_dict())
        return
    when = f"{left.sent_at:%Y-%m-%d %H:%M:%S} UTC" if left.sent_at else "not yet"
    about = f"{left.receipt.run} round {left.receipt.round}"
    echo(Styled(f"The last update: {about}, {show_bytes(left.nbytes)}", bold=True))
    for name, value in (("sent", when), ("file", left.path), ("sha256", left.sha256)):
        echo(f"{name:<8}{value}")
    values = sum(tensor.nbytes for tensor in left.tensors)
    echo(
        f"holds   {show_bytes(values)} of numbers in {len(left.tensors)} tensors, and "
        f"{show_bytes(left.header_nbytes)} of their names and shapes"
    )
    echo()
    rows = [
        (
            tensor.name,
            tensor.dtype,
            " x ".join(map(str, tensor.shape)) or "1",
            show_bytes(tensor.nbytes),
        )
        for tensor in left.tensors
    ]
    print_table(["tensor", "type", "shape", "size"], rows)
    echo()
    echo("The message beside it; attempt, push_s, sent_at and trail are set as it leaves:")
    print_json(left.receipt.model_dump(mode="json"))


@site.command()
@click.argument("run", metavar="RUN")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False),
    help="Where to; RUN-CLIENT.safetensors in this folder if left out.",
)  # fmt: skip
@of_client
def export(run: str, out: Path | None, client: str | None) -> None:
    """Write the site's own model of RUN to a safetensors file.

    It is the newest version that the site pulled, with the site's own layers, or its own model
    beside the global one. These never left the site.
    """
    ours = settings_.load()
    name = find_client(ours, client)
    target = out or Path(f"{run}-{name}.safetensors")
    files = SiteFiles(ours, name)
    done = own_model.export(SiteMemory(files.memory), run, target, frozen=files.frozen)
    echo(f"Wrote {done.path}: the version that {name} pulled for round {done.version_round}")
    if done.own_round is None:
        echo("Nothing in it is the site's own yet: no work of its own counted.")
        return
    listed = ", ".join(done.own[:_NAMED_TENSORS])
    more = len(done.own) - _NAMED_TENSORS
    echo(f"Its own, of round {done.own_round}: {listed}{f' and {more} more' * (more > 0)}")
    if not done.counts:
        echo("Whether that work counted is not known here until the next assignment.")
    if done.newer_round is not None:
        echo(
            f"Round {done.newer_round} left newer ones. They count once the coordinator has said "
            "so, with the site's next assignment of this run."
        )
