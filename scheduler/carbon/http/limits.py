"""Provider limits, per account: rate limit, Retry-After, a circuit breaker, and negative caching.

All durations are on the grid clock. Every process of a federation shares one implementation, in
Redis: `tasks.coordinator.provider_limits`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol, Self

from common.errors import SignalUnavailable

WINDOW = timedelta(minutes=61)
"""The rolling hour of the rate limit, and a minute for requests that are late at the provider."""

OPEN_AFTER = 5
"""Consecutive failures after which the circuit breaker opens."""

OPEN_FOR = timedelta(minutes=5)
"""How long the circuit breaker stays open, before one request probes the provider."""

REFUSED_FOR = timedelta(hours=1)
"""How long the circuit breaker stays open after the provider refused the key."""

PROBE_FOR = timedelta(minutes=2)
"""A probe without an outcome, because its process died, expires after this."""

NOT_OFFERED_FOR = timedelta(hours=6)
"""How long "not in your plan" is cached."""

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
"""Bounds of the pause after a 429 without Retry-After: doubled each time, with full jitter."""

Breaker = Literal["closed", "open", "half open"]
"""Whether an account may send requests: yes, no, or one at a time as a probe."""

Obstacle = Literal["paused", "open", "probing", "spent"]
"""Why a request is not sent."""

_OBSTACLES: dict[Obstacle, str] = {
    "paused": "it replied with a pause (Retry-After or HTTP 429)",
    "open": "its circuit breaker is open after failures or refusals",
    "probing": "another request probes whether it is back",
    "spent": "the rate limit of this hour is used up",
}


@dataclass(frozen=True, slots=True)
class ProviderAccount:
    """One key at one provider, without the key.

    Attributes:
        provider: The word that selects the provider in ``FAIRWIND_SIGNAL``.
        digest: Twelve hexadecimal digits of a hash of the key; ``public`` where there is none.
        per_hour: The rate limit: requests allowed in any hour.
    """

    provider: str
    digest: str
    per_hour: int

    @classmethod
    def of(cls, provider: str, key: str | None, per_hour: int) -> Self:
        """Return the account of a key; of a user name where the key is a password."""
        hashed = hashlib.sha256(f"{provider}:{key}".encode()).hexdigest()[:12] if key else "public"
        return cls(provider, hashed, per_hour)

    def __str__(self) -> str:
        return f"{self.provider}:{self.digest}"


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """The limits of one account at one instant.

    Attributes:
        account: The account.
        used: Requests that count towards the rate limit.
        paused_until: End of the pause that the provider requested; `None` without one.
        breaker: State of the circuit breaker.
        open_until: When an open breaker lets a probe through.
        last_fault: The last failure, without any secret; `None` if there never was one.
        last_fault_at: Its time.
        last_success_at: Time of the last response.
    """

    account: ProviderAccount
    used: int
    paused_until: datetime | None
    breaker: Breaker
    open_until: datetime | None
    last_fault: str | None
    last_fault_at: datetime | None
    last_success_at: datetime | None

    @property
    def fails(self) -> bool:
        """Whether the last that happened was a failure."""
        return self.last_fault_at is not None and (
            self.last_success_at is None or self.last_success_at < self.last_fault_at
        )


class ProviderLimits(Protocol):
    """Admits requests, and learns the outcome of each."""

    async def admit(self, account: ProviderAccount) -> str:
        """Count a request that is about to be sent, and return its name.

        Raises:
            SignalUnavailable: If it must not be sent now.
        """

    async def unsent(self, account: ProviderAccount, request: str, fault: str) -> None:
        """Take back a request that never left this machine, and keep why: it costs no quota.

        It says nothing of the provider either, so the circuit breaker stays as it is.
        """

    async def succeeded(self, account: ProviderAccount) -> None:
        """Record a response: the breaker closes."""

    async def failed(self, account: ProviderAccount, fault: str) -> None:
        """Record a failure: after `OPEN_AFTER` consecutive ones the breaker opens."""

    async def refused(self, account: ProviderAccount, fault: str) -> None:
        """Record a refused key: the breaker opens at once, for `REFUSED_FOR`."""

    async def slow_down(
        self, account: ProviderAccount, fault: str, pause: timedelta | None
    ) -> None:
        """Record a 429: no requests for `pause`, or for a growing time without Retry-After."""

    async def not_offered(self, account: ProviderAccount, zone: str, endpoint: str) -> str | None:
        """Return why this account gets no response about a zone; `None` if it may request one."""

    async def remember_not_offered(
        self, account: ProviderAccount, zone: str, endpoint: str, why: str
    ) -> None:
        """Record that a endpoint about a zone is not in this account's plan."""

    async def status(self, account: ProviderAccount) -> AccountStatus:
        """Return the limits of an account now."""


def breaker(open_until: datetime | None, now: datetime) -> Breaker:
    """Return the state of a breaker that lets a probe through at `open_until`."""
    if open_until is None:
        return "closed"
    return "open" if now < open_until else "half open"


def ahead(time: datetime | None, now: datetime) -> datetime | None:
    """Return a time if it is still to come."""
    return time if time and now < time else None


def not_now(
    account: ProviderAccount, obstacle: Obstacle, until: datetime, fault: str | None
) -> SignalUnavailable:
    """Return the error of a request that is not sent, with the last failure."""
    cause = f" ({fault})" if fault and obstacle != "spent" else ""
    return SignalUnavailable(
        f"{account.provider} gets no requests before {until:%Y-%m-%d %H:%M:%S} UTC, because "
        f"{_OBSTACLES[obstacle]}{cause}, so it has nothing new until then. Fairwind resumes by "
        f"itself; `fairwind signal` shows the limits of the account."
    )
