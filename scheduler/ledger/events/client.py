"""Payloads about clients: who takes part, and whose worker is there."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from common.bounds import MOST_W
from common.key_patterns import PUBLIC_KEY_PATTERN, SHA256_PATTERN
from common.messages import POLICY_PATTERN
from scheduler.ledger.events.base import Payload, Utc


class ClientEnrolled(Payload):
    """A client takes part from now on, or what is known of it has changed.

    Attributes:
        zone: Electricity Maps zone id of its grid.
        num_examples: At most this many examples count; `None` for no limit.
        key: The public key with which its site signs; `None` leaves the one that is known.
        redis_password_sha256: Of the password of its site's user in Redis; `None` leaves the one
            that is known.
        kit_key: The public half of the one-time key in its kit, which will sign the site's own;
            `None` leaves the one that is known.
        join_before: The kit's one-time key is worth nothing from then on, on the wall clock.
    """

    kind: ClassVar[str] = "client.enrolled"

    zone: str
    num_examples: int | None = Field(default=None, ge=1)
    key: str | None = Field(default=None, pattern=PUBLIC_KEY_PATTERN)
    redis_password_sha256: str | None = Field(default=None, pattern=SHA256_PATTERN)
    kit_key: str | None = Field(default=None, pattern=PUBLIC_KEY_PATTERN)
    join_before: Utc | None = None


class ClientKeyAccepted(Payload):
    """A site joined with its kit: its new key is the one that counts from now on.

    Attributes:
        key: The public key with which it signs.
        kit_key: Which kit's one-time key signed that; it signs no other one.
    """

    kind: ClassVar[str] = "client.key_accepted"

    key: str = Field(pattern=PUBLIC_KEY_PATTERN)
    kit_key: str = Field(pattern=PUBLIC_KEY_PATTERN)


class ClientRevoked(Payload):
    """A client takes part no more, and its key, its kit and its Redis user are worth nothing."""

    kind: ClassVar[str] = "client.revoked"


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


class ClientIdleStated(Payload):
    """A site states another power of its reserved machine while it waits than before.

    Attributes:
        idle_w: At the wall, W; `None` if it states none.
    """

    kind: ClassVar[str] = "client.idle_stated"

    idle_w: float | None = Field(default=None, gt=0, le=MOST_W)


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


class ClientPolicyChanged(Payload):
    """A site has another policy than before, so what it declined may be invited at once.

    Attributes:
        version: The beginning of its file's SHA-256; `None` without a file that can be read.
    """

    kind: ClassVar[str] = "client.policy_changed"

    version: str | None = Field(default=None, pattern=POLICY_PATTERN)
