"""Roles: what a worker is, by the names of the queues it serves."""

from __future__ import annotations

from pathlib import Path

COORDINATOR_QUEUES = frozenset({"coordinator", "aggregation"})
"""Planning, and aggregating: one worker may serve both."""

SITE_PREFIX = "client."
"""A site serves one queue, ``client.<id>``."""

SIMULATIONS_PREFIX = "simulations."
"""Workers of the same code serve one queue with simulations, ``simulations.<digest>``."""


KEPT = (
    "ledger.sqlite*", "blobs", "runs", "carbon", "site", "outbox", "frozen", "advice", "starting",
    "tls",
)  # fmt: skip
"""What Fairwind keeps in FAIRWIND_HOME, for its user alone; an open key is refused instead."""


UP_FILE = "federation.json"
"""What `fairwind up` keeps in the folder of its federation; FAIRWIND_HOME is a folder in it."""


def coordinator_key_file(home: Path) -> Path:
    """Return the file in FAIRWIND_HOME with the coordinator's private key.

    Where it is, all messages are signed; without it, none are.
    """
    return home / "keys" / "coordinator.pem"


def flower_password_file(home: Path) -> Path:
    """Return the file in FAIRWIND_HOME with the password of Flower's user in Redis."""
    return home / "keys" / "flower.redis"


def site_key_file(home: Path, client: str) -> Path:
    """Return the file in FAIRWIND_HOME with the private key of a client's site."""
    return home / "site" / client / "identity.pem"


def carbon_folder(home: Path) -> Path:
    """Return the folder of FAIRWIND_HOME with what the carbon sources reported."""
    return home / "carbon"


def coordinator_folders(home: Path) -> tuple[Path, ...]:
    """Return the folders of FAIRWIND_HOME in which a coordinator must be able to write."""
    blobs = home / "blobs"
    return home, blobs, blobs / "incoming", home / "runs", carbon_folder(home)


def site_folders(home: Path, client: str) -> tuple[Path, ...]:
    """Return the folders of FAIRWIND_HOME in which a client's worker must be able to write."""
    return home / "site" / client, home / "outbox" / client
