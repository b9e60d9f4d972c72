"""`fairwind site audit`: what a site has on record, and whether that is as it was written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import click

from common import settings as settings_
from common.clock import wall_now
from common.command_line.output import as_json, print_json
from common.command_line.screen import echo
from common.command_line.table import print_table
from common.errors import AuditError
from common.trail_head import TrailHead, read_trail_heads
from common.units import show_bytes, show_energy
from tasks.cli.head_files import with_heads
from tasks.cli.site_policy import of_client
from tasks.roles import site_key_file
from tasks.site.audit import Audit, audit, check_head_signatures
from tasks.site.entry import (
    Answered,
    Begun,
    Decided,
    Entry,
    Pruned,
    Received,
    Recovered,
    Refused,
    Sent,
    Started,
    Stopped,
)
from tasks.site.journal import Journal, open_journal
from tasks.site.site_files import SiteFiles, find_client
from tasks.site.trail_heads import kept_heads


@click.command("audit")
@of_client
@click.option("--verify", is_flag=True, help="Check that nothing was altered since it was written.")
@with_heads("Compare with heads that the coordinator keeps, too: `fairwind ledger trails` there.")
@click.option(
    "--key",
    metavar="ed25519:...",
    help="The site's public key, where its private one is not at hand.",
)
@click.option(
    "--days",
    default=31,
    show_default=True,
    type=click.IntRange(1, 730),
    help="List what was written in the last so many days.",
)
@as_json
def site_audit(
    client: str | None,
    *,
    verify: bool,
    files: tuple[Path, ...],
    key: str | None,
    days: int,
    as_json: bool,
) -> None:
    """List the site's audit trail, or check it with --verify.

    The trail is compared with the heads that the site signed and keeps. Whoever may write there can
    replace both: only the coordinator's heads show that.
    """
    ours = settings_.load()
    name = find_client(ours, client)
    journal, folder = open_journal(ours, name), SiteFiles(ours, name).folder
    if verify or files:
        key = key or _own_key(site_key_file(ours.folder, name))
        heads = _heads(folder, files, client=name, key=key)
        _print_verified(audit(journal.lines(), heads), heads, as_json=as_json)
        return
    since = wall_now() - timedelta(days=days)
    _print_entries(journal, since, as_json=as_json)


def _own_key(path: Path) -> str | None:
    if not path.exists():
        return None
    from common.identity import Identity  # noqa: PLC0415 - few verbs load cryptography

    return Identity.load(path).public.text


def _heads(folder: Path, files: Sequence[Path], *, client: str, key: str | None) -> list[TrailHead]:
    heads = kept_heads(folder)
    signed = [head for head in heads if head.signature]  # none before the site had a key
    check_head_signatures(signed, client=client, key=key, where=str(folder))
    for file in files:
        given = read_trail_heads(file)
        if not given:
            msg = (
                f"There is no head in {file}, so the trail was not compared with it. The "
                "coordinator has the first one with the site's first receipt."
            )
            raise AuditError(msg)
        check_head_signatures(given, client=client, key=key, where=str(file))
        heads += given
    return heads


def _print_verified(found: Audit, heads: Sequence[TrailHead], *, as_json: bool) -> None:
    last = found.last.seq if found.last else 0
    if as_json:
        print_json(
            {
                "first": found.first, "last": last, "head": found.last and found.last.hash,
                "fault": found.fault, "recovered": list(found.recovered),
                "torn_nbytes": found.torn_nbytes,
                "heads": {"compared": found.heads, "signed_seq": found.signed_seq},
            }
        )  # fmt: skip
    if found.fault is not None:
        msg = (
            f"{found.fault}. The audit trail is not the one that was written, so what it says from "
            "there on proves nothing. Find out who could write to it, and restore a back-up."
        )
        raise AuditError(msg)
    if as_json:
        return
    if found.last is None:
        echo("The audit trail is empty: the site's worker has not run yet.")
        return
    echo(f"Records {found.first} to {last}, all as written; head {found.last.hash[:16]}.")
    if found.signed_seq is not None:
        are = "signed" if any(head.signature for head in heads) else "kept, none signed"
        rest = last - found.signed_seq
        behind = f"; the {rest} after it have none yet" if rest else ""
        upto = f"up to record {found.signed_seq}"
        echo(f"They lead to the {found.heads} heads that were {are}, {upto}{behind}.")
    for seq in found.recovered:
        echo(f"Before record {seq} a killed process or a full disk left a torn line.")
    if found.torn_nbytes:
        echo(f"A killed process left {found.torn_nbytes} torn bytes at the end.")


def _print_entries(journal: Journal, since: datetime, *, as_json: bool) -> None:
    entries = [entry for entry in journal.read(since=since) if _at(entry) >= since]
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in entries])
    elif entries:
        rows = [[f"{_at(each):%Y-%m-%d %H:%M:%S}", each.kind, _about(each)] for each in entries]
        print_table(("at (UTC)", "what", "about"), rows)
    else:
        echo("Nothing is on record in that time.")


def _at(entry: Entry) -> datetime:
    return entry.ended_at if isinstance(entry, Answered) else entry.at


def _about(entry: Entry) -> str:  # noqa: PLR0911 - a return for each kind
    match entry:
        case Started() | Stopped():
            version = f"Fairwind {entry.version}, " if isinstance(entry, Started) else ""
            return f"worker, {version}incarnation {entry.incarnation[:8]}"
        case Received():
            issuer = f"from {entry.issuer}" if entry.issuer else "unsigned"
            return f"{entry.run} round {entry.round}: {entry.workload}, {issuer}"
        case Begun():
            return f"{entry.run} round {entry.round}"
        case Answered():
            said = entry.reason.text if entry.reason else _left(entry)
            return f"{entry.run} round {entry.round}: {entry.outcome}, {said}"
        case Sent():
            size = show_bytes(entry.nbytes)
            return f"{entry.run} round {entry.round}: {size}, sha256 {entry.sha256[:16]}"
        case Refused():
            many = f"{entry.times} x " if entry.times > 1 else ""
            return f"{many}{entry.task} of {entry.issuer}: {entry.text}"
        case Decided():
            return f"{entry.what} {entry.about}".strip()
        case Recovered() | Pruned():
            return "the trail itself"


def _left(entry: Answered) -> str:
    energy = "energy unknown" if entry.energy is None else show_energy(entry.energy.energy_wh)
    metrics = f", metrics {', '.join(entry.metrics)}" if entry.metrics else ""
    return f"{energy}, {entry.num_examples} examples{metrics}"
