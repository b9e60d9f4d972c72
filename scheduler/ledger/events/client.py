"""Payloads about clients: who takes part, and whose worker is there."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from common.key_patterns import PUBLIC_KEY_PATTERN, SHA256_PATTERN
from scheduler.ledger.events.base import Payload


class ClientEnrolled(Payload):
    """A client takes part from now on, or what is known of it has changed.

    Attributes:
        zone: Electricity Maps zone id of its grid.
        num_examples: At most this many examples count; `None` for no limit.
        key: The public key with which its site signs; `None` leaves the one that is known.
        redis_password_sha256: Of the password of its site's user in Redis; `None` leaves the one
            that is known.
    """

    kind: ClassVar[str] = "client.enrolled"

    zone: str
    num_examples: int | None = Field(default=None, ge=1)
    key: str | None = Field(default=None, pattern=PUBLIC_KEY_PATTERN)
    redis_password_sha256: str | None = Field(default=None, pattern=SHA256_PATTERN)


class ClientRetired(Payload):
    """A client takes part no more; its past stays."""

    kind: ClassVar[str] = "client.retired"


class ClientJoined(Payload):
    """A worker of a new incarnation sends heartbeats for a client.

    Attributes:
        incarnation: Changes with every start of the worker.
        host: The machine it runs on.
        pid: Its process there.
    """

    kind: ClassVar[str] = "client.joined"

    incarnation: str
    host: str
    pid: int


class ClientSilent(Payload):
    """A client's worker has stopped sending heartbeats."""

    kind: ClassVar[str] = "client.silent"


class ClientClockCompared(Payload):
    """The clock of a client's host differs from the coordinator's in another way than before.

    Attributes:
        ahead_s: How far it is ahead, s; negative if it is behind, 0 if both agree.
    """

    kind: ClassVar[str] = "client.clock_compared"

    ahead_s: float


class ClientPaused(Payload):
    """A site's administrator has paused it; it declines work until it is resumed."""

    kind: ClassVar[str] = "client.paused"


class ClientResumed(Payload):
    """A site's administrator has resumed it."""

    kind: ClassVar[str] = "client.resumed"
