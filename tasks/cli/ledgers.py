"""Commands about the ledger: read it, verify its chain, recompute every version from it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from common import settings as settings_
from common.command_line.output import as_json, print_json
from common.command_line.screen import echo, rewrite_line
from common.errors import FederationError, LedgerError
from common.identity import Identity
from common.ledger_head import LedgerHead, read_heads
from scheduler.federation.blob_check import BlobFault, blob_faults
from scheduler.federation.gram_check import GramCheck, check_grams
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.database import heads_file
from scheduler.ledger.event import canonical
from scheduler.ledger.events.receipt import WorkRecord
from scheduler.ledger.verification import SnapshotCheck, Verification
from scheduler.ledger.witness import (
    Disagreement,
    check_signatures,
    first_disagreement,
    wanted_seqs,
)
from scheduler.status.which_run import find_run
from tasks.cli.base import ledger_to_read
from tasks.cli.completion import complete_client, complete_run
from tasks.cli.head_files import with_heads
from tasks.roles import coordinator_key_file

if TYPE_CHECKING:
    from scheduler.federation.opening import FederationReader
    from scheduler.federation.run import Run
    from scheduler.rounds.commit_check import CommitCheck
    from tasks.coordinator.replay import Replayed


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
        echo(f"{e.seq:>6}  {e.at:%Y-%m-%d %H:%M:%S}  {e.kind:<20}  {where:<32}  {shown}")


@ledger.command()
@with_heads("Compare with the heads that a site keeps, too; as often as there are files.")
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="ed25519:...",
    help="The coordinator's public key, where its private one is not at hand.",
)
@as_json
def verify(files: tuple[Path, ...], keys: tuple[str, ...], *, as_json: bool) -> None:
    """Check the chain of hashes, the snapshot and the blobs: nothing may have been altered.

    The chain is compared with the heads that the coordinator signed, and that sites keep.
    """
    opened = ledger_to_read()
    heads = _heads(files, keys)
    found = opened.verify(wanted_seqs(heads))
    disagreement = first_disagreement(found, heads)
    whole = found.broken_at is None
    snapshot = opened.check_snapshot() if whole else None
    lost = _lost_blobs(opened) if whole else []
    if as_json:
        print_json(
            {
                "events": found.events, "head": found.head, "broken_at": found.broken_at,
                "heads": {"compared": len(heads), "fault": disagreement and str(disagreement)},
                "snapshot": snapshot and {"seq": snapshot.seq, "fault": snapshot.fault},
                "blobs": [asdict(each) for each in lost],
            }
        )  # fmt: skip
    _refuse_altered(found, disagreement)
    _refuse_lost(snapshot, lost)
    if not as_json:
        _print_verified(found, heads, snapshot)


def _heads(files: Sequence[Path], keys: Sequence[str]) -> list[LedgerHead]:
    """Return the heads to compare with: the coordinator's own, and those in files of sites.

    Raises:
        LedgerError: If a file cannot be read, or the coordinator did not sign what is in it.
    """
    ours = settings_.load()
    key_file, own = coordinator_key_file(ours.folder), heads_file(ours.ledger)
    known = {*keys, *([Identity.load(key_file).public.text] if key_file.exists() else [])}
    heads = []
    for file in [*([own] if own.exists() else []), *files]:
        kept = read_heads(file)
        if not kept:
            msg = (
                f"There is no head in {file}, so the ledger was not compared with it. A site has "
                "the first one with its first assignment."
            )
            raise LedgerError(msg)
        check_signatures(kept, known, where=str(file))
        heads += kept
    return heads


def _refuse_altered(found: Verification, disagreement: Disagreement | None) -> None:
    broken = found.broken_at
    if broken is not None and disagreement is None:
        msg = (
            f"Event {broken} of the ledger is not what was written, so the state after it "
            "cannot be reconstructed. Restore a back-up."
        )
        raise LedgerError(msg)
    if disagreement is not None:
        msg = (
            f"{disagreement}. The ledger is not the one whose heads were signed, so nothing that "
            "rests on these events is proven. Restore a back-up, and ask who could write to it."
        )
        raise LedgerError(msg)


def _refuse_lost(snapshot: SnapshotCheck | None, lost: Sequence[BlobFault]) -> None:
    if snapshot is not None and snapshot.fault is not None:
        msg = (
            f"The ledger is as written, but its snapshot of event {snapshot.seq} is not: "
            f"{snapshot.fault}. Figures shown from it may be wrong. Remove the folder of snapshots "
            "beside the ledger: the next command folds all events anew."
        )
        raise LedgerError(msg)
    if lost:
        first = lost[0]
        msg = (
            f"The ledger is as written, but {len(lost)} of its blobs are missing or altered. The "
            f"first: {first.what} of {first.run} is {first.fault} ({first.sha256}). Put back what "
            "can be made again: fairwind ledger replay --repair. Restore the others from a back-up."
        )
        raise LedgerError(msg)


def _print_verified(
    found: Verification, heads: Sequence[LedgerHead], snapshot: SnapshotCheck | None
) -> None:
    echo(f"{found.events} events, all as written; head {found.head[:16]}.")
    if heads:
        last = max(heads, key=lambda head: head.seq)
        signed = "that the coordinator signed" if last.key else "that were kept, none signed"
        behind = found.events - last.seq
        rest = f"; the {behind} events after it have none yet" if behind else ""
        echo(f"They lead to the {len(heads)} heads {signed}, up to event {last.seq}{rest}.")
    if snapshot is not None:
        echo(f"The snapshot of event {snapshot.seq} is what they add up to.")


def _lost_blobs(opened: FederationReader) -> list[BlobFault]:
    """Return what is wrong with the blobs; where there are none at all, they were not copied."""
    folder = settings_.load().folder / "blobs"
    # An event that is as written, but is none of this version's, cannot be folded.
    state = opened.state()
    return list(blob_faults(state, Blobs(folder))) if folder.is_dir() else []


@ledger.command()
@click.argument("client", shell_complete=complete_client)
def trails(client: str) -> None:
    """Print the heads of CLIENT's audit trail, a JSON line each, as its receipts brought them.

    The site's administrator compares them: `fairwind site audit --verify --heads FILE`.
    """
    opened = ledger_to_read()
    if client not in opened.state().clients:
        msg = f"There is no client {client!r}, so nothing was printed. See fairwind clients"
        raise FederationError(msg)
    for event in opened.events():
        work = getattr(event.payload, "work", None)
        if event.client == client and isinstance(work, WorkRecord) and work.trail is not None:
            echo(work.trail.model_dump_json())


@ledger.command()
@click.option("--run", shell_complete=complete_run, help="Only this run.")
@click.option("--repair", is_flag=True, help="Put back lost versions that can be recomputed.")
@click.option("--verbose", is_flag=True, help="Print a line for each version.")
@as_json
def replay(run: str | None, *, repair: bool, verbose: bool, as_json: bool) -> None:
    """Recompute every version from its manifest, and every gram from receipts and readings.

    Versions are compared byte by byte. Manifests are recomputed with their weights and divisors. A
    booking is unproven where the ledger holds no reading that its carbon intensity could rest on.
    """
    from scheduler.rounds.commit_check import check_commits  # noqa: PLC0415 - loads the policies, with NumPy

    opened = ledger_to_read()
    state = opened.state()
    runs = [find_run(state, run)] if run else list(state.runs.values())
    results: list[Replayed] = []
    for line in _replayed(runs, repair=repair):
        results.append(line)
        if not as_json and (verbose or not line.same or line.lost):
            echo(f"{line.run}  round {line.round}  {line.version[:16]}  {_became(line)}")
    commits = [each for each in check_commits(opened.events()) if not run or each.run == runs[0].id]
    grams = [each for each in check_grams(opened.events()) if not run or each.run == runs[0].id]
    if as_json:
        print_json(
            {
                "versions": [vars(line) for line in results],
                "manifests": [asdict(each) for each in commits],
                "grams": [asdict(each) for each in grams],
            }
        )
    else:
        _print_commits(commits)
        _print_grams(grams, verbose=verbose)
    _refuse_unproven_versions(results)
    _refuse_unproven_weights(commits)
    different = [each for each in grams if each.status == "different"]
    if different:
        msg = (
            f"{len(different)} of {len(grams)} bookings and sums do not follow from their receipts "
            "and readings, so these grams are not proven. See with `fairwind ledger verify "
            "--heads FILE` of a site whether they were altered."
        )
        raise LedgerError(msg)
    if not as_json:
        put_back = sum(line.put_back for line in results)
        also = f"; {put_back} put back" if put_back else ""
        echo(f"{len(results)} versions recomputed, all the same{also}.")
        echo(f"{len(commits)} manifests recomputed with weights and divisors, all the same.")
        echo(_proven(grams))


def _refuse_unproven_versions(results: Sequence[Replayed]) -> None:
    wrong = [line for line in results if not line.same]
    lost = [line for line in results if line.lost and not line.put_back]
    if wrong:
        msg = (
            f"{len(wrong)} of {len(results)} versions could not be recomputed, so their origin is "
            "not proven. Restore the blobs from a back-up, or run the release that made them."
        )
        raise LedgerError(msg)
    if lost:
        msg = (
            f"{len(lost)} of {len(results)} versions are missing or altered, and can be made "
            "again. Put them back: fairwind ledger replay --repair"
        )
        raise LedgerError(msg)


def _refuse_unproven_weights(commits: Sequence[CommitCheck]) -> None:
    wrong = [each for each in commits if each.fault]
    if wrong:
        msg = (
            f"{len(wrong)} of {len(commits)} manifests do not follow from the updates and rounds "
            "before them, so what these versions were divided by is not proven. See with `fairwind "
            "ledger verify --heads FILE` of a site whether they were altered."
        )
        raise LedgerError(msg)


def _print_commits(commits: Sequence[CommitCheck]) -> None:
    for each in commits:
        if each.fault:
            echo(f"{each.run}  round {each.round}  {each.fault}")


def _print_grams(grams: Sequence[GramCheck], *, verbose: bool) -> None:
    for each in grams:
        if each.status == "different" or (verbose and each.status == "unproven"):
            whose = each.client or "its sums"
            echo(f"{each.run}  round {each.round}  {whose}: {each.fault}")


def _proven(grams: Sequence[GramCheck]) -> str:
    unproven = sum(each.status == "unproven" for each in grams)
    if not unproven:
        return f"{len(grams)} bookings and sums recomputed, all the same."
    return (
        f"{len(grams)} bookings and sums recomputed, {len(grams) - unproven} the same; {unproven} "
        "rest on a carbon intensity of which the ledger holds no reading (--verbose)."
    )


def _replayed(runs: Sequence[Run], *, repair: bool) -> Iterator[Replayed]:
    """Yield what the replay of each version found; a terminal shows how many are done."""
    from tasks.coordinator.replay import replay_run  # noqa: PLC0415 - loads torch, this command alone needs it

    ours, num_versions = settings_.load(), sum(len(run.closed) for run in runs)
    shown = sys.stderr.isatty() and num_versions > 0
    lines = (line for run in runs for line in replay_run(run, ours, repair=repair))
    for done, line in enumerate(lines, start=1):
        if shown:
            rewrite_line(f"Recomputed {done:,} of {num_versions:,} versions")
        yield line
    if shown:
        echo(err=True)


def _became(line: Replayed) -> str:
    """Return what the replay of a version found, and did."""
    if not line.same:
        return line.fault
    if not line.lost:
        return "same"
    what = ", ".join(name[:16] for name in line.lost)
    if line.put_back:
        return f"same; was missing or altered, put back: {what}"
    return f"same; missing or altered: {what}"
