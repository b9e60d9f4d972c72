"""Preflight checks of signatures: whether messages are signed, and who is left out by that."""

from __future__ import annotations

from collections.abc import Iterator

from common.errors import FairwindError
from common.settings import Settings
from scheduler.federation.opening import read_ledger
from scheduler.status.names import SHOWN_NAMES, listed
from tasks.cli.finding import Finding
from tasks.messaging.inbox import coordinator_signer
from tasks.roles import coordinator_key_file


def check_signing(ours: Settings) -> Iterator[Finding]:
    """Check that messages are signed, and that each client is enrolled with a key."""
    if ours.coordinator_key is not None:
        yield Finding("ok", f"As a site, only work is taken that {ours.coordinator_key} signed.")
        return
    if not coordinator_key_file(ours.folder).exists():
        yield Finding(
            "warning",
            "Messages are not signed: whoever can write to Redis can send work to sites, and "
            "answers in their names. That does for a try-out. Otherwise make a key: fairwind key",
        )
        return
    try:
        coordinator_signer(ours)
    except FairwindError as error:
        yield Finding("error", str(error))
        return
    yield Finding("ok", "Messages are signed, and only what is signed counts.")
    yield from _without_key(ours)


def _without_key(ours: Settings) -> Iterator[Finding]:
    if not (ours.folder / "ledger.sqlite").exists() and ours.ledger_url is None:
        return
    enrolled = read_ledger(ours.ledger).state().enrolled()
    without = sorted(
        client.id for client in enrolled if client.key is None and not client.kit_waits
    )
    if without:
        yield Finding(
            "warning",
            f"Enrolled without a key, so that nothing from there counts: "
            f"{listed(without, most=SHOWN_NAMES)}. Print it at the site with `fairwind site key`, "
            f"then here: fairwind enroll {without[0]} --zone ZONE --key KEY",
        )
