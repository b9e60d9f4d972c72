"""What trust costs: rounds with signatures, nonces and Redis users, and without, in turns."""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from benchmarks.rounds import CASES, Case, run, start
from common.clock import GridClock
from scheduler.federation.opening import FederationLedger, open_ledger
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientEnrolled, RoundClosed
from tasks.local.federation import LocalFederation
from tasks.site.entry import Entry, Sent
from tasks.site.journal import Journal

_CLIENTS = ("c0", "c1", "c2", "c3")
_TURNS = 5
_AIMS = {"digits": (20, 1.10), "10m": (6, 1.03)}
"""Of each case: rounds a turn, and what a round with all of it may take, in rounds without."""

_SETTINGS = {
    "FAIRWIND_WORKLOADS": ",".join(CASES[name].workload for name in _AIMS),
    "FAIRWIND_SIGNAL": "static",
    "FAIRWIND_HEARTBEAT_S": "1",
}


@dataclass(frozen=True)
class _Side:
    """A federation that runs, with trust or without, and its ledger."""

    federation: LocalFederation
    ledger: FederationLedger

    def rounds_s(self, run_id: str) -> list[float]:
        """Return the seconds of each round of a run after the first."""
        closed = [
            e.at for e in self.ledger.events(run=run_id) if isinstance(e.payload, RoundClosed)
        ]
        return [(after - before).total_seconds() for before, after in pairwise(closed)]


def measure_trust(*, turns: int = _TURNS) -> None:
    """Print seconds and ratio of a round with trust on, and off, for a small and a large update.

    Args:
        turns: How often each federation has its turn.
    """
    print("\nTrust on and off: signatures, nonces, Redis users ...", flush=True)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        sides = {on: _begin(stack, Path(folder), on=on) for on in (True, False)}
        done = 0
        for name, (rounds, aim) in _AIMS.items():
            found: dict[bool, list[float]] = {True: [], False: []}
            for turn in range(turns):
                # Each begins as often as the other: what drifts meets both alike.
                for on in (True, False) if turn % 2 == 0 else (False, True):
                    found[on] += _turn(sides[on], CASES[name], rounds, f"{name}-{turn}")
            # What the turns of the case before wrote is the same a round, so all of it counts.
            written = _entries(sides[True])
            done += turns * rounds
            trail_s = _trail_s(written, Path(folder) / f"trail-{name}") / done
            _print(CASES[name].name, found, trail_s=trail_s, aim=aim)


def _begin(stack: ExitStack, folder: Path, *, on: bool) -> _Side:
    federation = stack.enter_context(
        LocalFederation(
            folder / ("on" if on else "off"), dict.fromkeys(_CLIENTS, "FR"), settings=_SETTINGS,
            redis_users=on, signed=on,
        )
    )  # fmt: skip
    home = federation.folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    ledger = open_ledger(f"sqlite:///{home / 'ledger.sqlite'}", GridClock(), create=True)
    stack.callback(ledger.close)
    with ledger.transaction() as tx:
        for client, zone in federation.zones.items():
            enrolled = ClientEnrolled(
                zone=zone, key=federation.site_key(client) if on else None,
                redis_password_sha256=federation.site_password_sha256(client),
            )  # fmt: skip
            tx.append(Draft(enrolled, client=client))
    federation.write_redis_users(ledger.state())
    start(federation)
    return _Side(federation, ledger)


def _turn(side: _Side, case: Case, rounds: int, run_id: str) -> list[float]:
    run(side.federation, case, len(_CLIENTS), rounds=rounds, run_id=run_id)
    return side.rounds_s(run_id)


def _entries(side: _Side) -> list[Entry]:
    """Return all records of the sites' audit trails."""
    sites, epoch = side.federation.folder / "sites", datetime(1970, 1, 1, tzinfo=UTC)
    journals = [Journal(sites / client / "site" / client) for client in _CLIENTS]
    return [entry for journal in journals for entry in journal.read(since=epoch)]


def _trail_s(entries: list[Entry], folder: Path) -> float:
    """Return what some records take to write one after the other, synced as a site does it, s."""
    again, started = Journal(folder), time.perf_counter()
    for entry in entries:
        again.append(entry, synced=isinstance(entry, Sent))
    return time.perf_counter() - started


def _print(name: str, found: dict[bool, list[float]], *, trail_s: float, aim: float) -> None:
    """Print the ratio with the audit trails, too, between bounds.

    No trail can be switched off. Without them, a round would be shorter by what one site writes,
    if all write at the same time, and by what all write, if one waits for the other.
    """
    on_s, off_s = (statistics.median(found[on]) for on in (True, False))
    least, most = (on_s / (off_s - each_s) for each_s in (trail_s / len(_CLIENTS), trail_s))
    verdict = "met" if most <= aim else "missed" if least > aim else "unclear"
    print(f"\n{name}, {len(_CLIENTS)} clients: median of {len(found[True])} rounds each")
    print(f"  on {on_s:.3f} s   off {off_s:.3f} s   ratio {on_s / off_s:.3f}")
    print(f"  audit trails, which both write: {1e3 * trail_s:.1f} ms a round at all sites together")
    print(
        f"  ratio with them {least:.3f} to {most:.3f}   aimed at {aim:.2f}: {verdict}", flush=True
    )
