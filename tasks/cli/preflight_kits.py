"""Preflight checks of what sites join with: kits that wait, and how long certificates last."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from common.clock import wall_now
from common.settings import Settings
from common.settings.redis_address import place_of
from common.tls import TlsFiles, expires_at
from scheduler.federation.opening import read_ledger
from scheduler.status.names import SHOWN_NAMES, listed
from tasks.cli.finding import Finding

_SOON = timedelta(days=30)


def check_kits(ours: Settings) -> Iterator[Finding]:
    """Check that each kit can still be used, and that certificates do not end soon."""
    yield from _waiting(ours)
    yield from _certificates(ours)


def _waiting(ours: Settings) -> Iterator[Finding]:
    if not (ours.folder / "ledger.sqlite").exists() and ours.ledger_url is None:
        return
    waits = [client for client in read_ledger(ours.ledger).state().enrolled() if client.kit_waits]
    now = wall_now()
    expired = sorted(c.id for c in waits if c.join_before is not None and now > c.join_before)
    if expired:
        yield Finding(
            "warning",
            f"The kits of {listed(expired, most=SHOWN_NAMES)} were not used in time, so these "
            f"sites cannot join. Make new ones: fairwind rotate {expired[0]} --kit FILE",
        )
    if others := sorted({client.id for client in waits} - set(expired)):
        yield Finding(
            "ok",
            f"Not joined with their newest kit yet: {listed(others, most=SHOWN_NAMES)}. At the "
            "site: fairwind site join FILE",
        )


def _certificates(ours: Settings) -> Iterator[Finding]:
    found = [TlsFiles(ours.folder / "tls").server]
    if ca_file := place_of(ours.redis_url).ca_file:
        found.append(Path(ca_file))
    for path in found:
        if not path.exists():
            continue
        left = (until := expires_at(path)) - wall_now()
        if left < _SOON:
            ended = left < timedelta()
            yield Finding(
                "error" if ended else "warning",
                f"The certificate {path} {'ended' if ended else 'ends'} on {until:%Y-%m-%d}, from "
                "when on nobody reaches Redis by TLS. Renew it (fairwind tls make), and restart "
                "Redis.",
            )
