"""Opening the ledger: its events fold into the federation."""

from __future__ import annotations

from common.clock import GridClock
from scheduler.federation.federation import Federation
from scheduler.federation.fold import apply
from scheduler.federation.snapshot import code, dump, load
from scheduler.ledger.database import open_to_append, open_to_read, snapshots_folder
from scheduler.ledger.ledger import Ledger, LedgerReader
from scheduler.ledger.projection import Projection
from scheduler.ledger.snapshots import Snapshots

FEDERATION = Projection(new=Federation, apply=apply, dump=dump, load=load, code=code)

FederationReader = LedgerReader[Federation]
FederationLedger = Ledger[Federation]


def open_ledger(url: str, clock: GridClock, *, create: bool = True) -> FederationLedger:
    """Open the ledger at an SQLAlchemy URL to append; `create` makes one where there is none.

    Raises:
        SettingError: If the URL is not of SQLite, the only database supported so far.
        LedgerError: If there is none, it cannot be opened, or it has another schema version.
    """
    engine = open_to_append(url, create=create)
    snapshots = Snapshots(snapshots_folder(url), FEDERATION)
    return Ledger(engine, FEDERATION, snapshots, clock=clock)


def read_ledger(url: str) -> FederationReader:
    """Open the ledger at an SQLAlchemy URL to read: nothing is written and no lock is taken.

    Raises:
        SettingError: If the URL is not of SQLite, the only database supported so far.
        LedgerError: If there is none, it cannot be opened, or it has another schema version.
    """
    return LedgerReader(open_to_read(url), FEDERATION, Snapshots(snapshots_folder(url), FEDERATION))
