"""Commands about the ledger: read it, verify its chain, recompute every version from it."""

from __future__ import annotations

import click

from common import settings as settings_
from common.command_line.output import as_json, print_json
from common.errors import LedgerError
from scheduler.ledger.event import canonical
from scheduler.status.which_run import find_run
from tasks.cli.base import ledger_to_read
from tasks.cli.completion import complete_run


@click.group()
def ledger() -> None:
    """Read, verify and replay the ledger."""


@ledger.command()
@click.option("--run", shell_complete=complete_run, help="Only events of this run.")
@click.option("--last", type=click.IntRange(min=1), help="Only the last so many.")
@as_json
def show(run: str | None, last: int | None, *, as_json: bool) -> None:
    """Print the events, oldest first."""
    opened = ledger_to_read()
    if run:
        find_run(opened.state(), run)
    events = opened.newest(run=run, limit=last) if last else opened.events(run=run)
    if as_json:
        print_json(
            [
                {
                    "seq": e.seq, "at": e.at.isoformat(), "grid_at": e.grid_at.isoformat(),
                    "kind": e.kind, "run": e.run, "round": e.round, "client": e.client,
                    "body": e.payload.model_dump(mode="json"), "hash": e.hash,
                }
                for e in events
            ]
        )  # fmt: skip
        return
    for e in events:
        where = " ".join(
            part for part in (e.run, f"round {e.round}" if e.round else "", e.client) if part
        )
        body = canonical(e.payload)
        shown = body if len(body) <= 100 else body[:97] + "..."  # noqa: PLR2004 - fits a terminal
        click.echo(f"{e.seq:>6}  {e.at:%Y-%m-%d %H:%M:%S}  {e.kind:<20}  {where:<32}  {shown}")


@ledger.command()
@as_json
def verify(*, as_json: bool) -> None:
    """Check the chain of hashes and the snapshot: nothing may have been altered."""
    opened = ledger_to_read()
    found = opened.verify()
    snapshot = opened.check_snapshot() if found.broken_at is None else None
    if as_json:
        print_json(
            {
                "events": found.events, "head": found.head, "broken_at": found.broken_at,
                "snapshot": snapshot and {"seq": snapshot.seq, "fault": snapshot.fault},
            }
        )  # fmt: skip
    if found.broken_at is not None:
        msg = (
            f"Event {found.broken_at} of the ledger is not what was written, so the state after it "
            "cannot be reconstructed. Restore a back-up."
        )
        raise LedgerError(msg)
    opened.state()  # an event that is as written, but is none of this version's, cannot be folded
    if snapshot is not None and snapshot.fault is not None:
        msg = (
            f"The ledger is as written, but its snapshot of event {snapshot.seq} is not: "
            f"{snapshot.fault}. Figures shown from it may be wrong. Remove the folder of snapshots "
            "beside the ledger: the next command folds all events anew."
        )
        raise LedgerError(msg)
    if not as_json:
        click.echo(f"{found.events} events, all as written; head {found.head[:16]}.")
        if snapshot is not None:
            click.echo(f"The snapshot of event {snapshot.seq} is what they add up to.")


@ledger.command()
@click.option("--run", shell_complete=complete_run, help="Only this run.")
@as_json
def replay(run: str | None, *, as_json: bool) -> None:
    """Recompute every version from its manifest, and compare the bytes."""
    from tasks.coordinator.replay import replay_run  # noqa: PLC0415 - loads torch, this command alone needs it

    ours = settings_.load()
    state = ledger_to_read().state()
    runs = [r for r in state.runs.values() if run in (None, r.id)]
    results = [line for r in runs for line in replay_run(r, ours)]
    if as_json:
        print_json([vars(line) for line in results])
    else:
        for line in results:
            mark = "same" if line.same else line.fault
            click.echo(f"{line.run}  round {line.round}  {line.version[:16]}  {mark}")
    wrong = [line for line in results if not line.same]
    if wrong:
        msg = (
            f"{len(wrong)} of {len(results)} versions could not be recomputed, so their origin is "
            "not proven. Restore the blobs from a back-up, or run the release that made them."
        )
        raise LedgerError(msg)
    if not as_json:
        click.echo(f"{len(results)} versions recomputed, all the same.")
