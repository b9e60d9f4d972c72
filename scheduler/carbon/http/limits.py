"""Manners towards a provider, kept per account: budget, pauses, a circuit breaker, what it refuses.

All durations are on the grid clock. The implementation here serves one process; a fleet shares one
in Redis.
"""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol, Self

from common.errors import SignalUnavailable

WINDOW = timedelta(minutes=61)
"""A budget's hour, which rolls, and what a request takes to arrive: the provider counts there."""

OPEN_AFTER = 5
"""Failures in a row after which a provider is left alone."""

OPEN_FOR = timedelta(minutes=5)
"""How long it is left alone, before one request probes whether it is back."""

REFUSED_FOR = timedelta(hours=1)
"""How long it is left alone once it refused the key: asking on would help nobody."""

PROBE_FOR = timedelta(minutes=2)
"""A probe without an outcome, because its process died, is forgotten after this."""

NOT_OFFERED_FOR = timedelta(hours=6)
"""How long "not in your plan" is believed."""

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
"""Bounds of the pause after a 429 that names none: doubled each time, with full jitter."""

Breaker = Literal["closed", "open", "half open"]
"""Whether an account may ask: yes, not at all, or one request at a time as a probe."""

Obstacle = Literal["paused", "open", "probing", "spent"]
"""Why a request is not made."""

_OBSTACLES: dict[Obstacle, str] = {
    "paused": "it asked for a pause",
    "open": "it failed or refused repeatedly",
    "probing": "another request finds out whether it is back",
    "spent": "the requests of this hour are spent",
}


@dataclass(frozen=True, slots=True)
class Account:
    """One key at one provider, without the key.

    Attributes:
        provider: The word that selects the provider in ``FAIRWIND_SIGNAL``.
        digest: Twelve hexadecimal digits of a hash of the key; ``public`` where there is none.
        per_hour: Requests allowed in any hour.
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
class Standing:
    """How an account stands with its provider.

    Attributes:
        account: Whose it is.
        used: Requests that count towards the budget.
        paused_until: When a pause ends that the provider asked for; `None` if there is none.
        breaker: Whether it may ask.
        open_until: When an open breaker lets a probe through.
        last_fault: What went wrong last, without any secret; `None` if nothing ever did.
        last_fault_at: When that was.
        last_success_at: When it last answered.
    """

    account: Account
    used: int
    paused_until: datetime | None
    breaker: Breaker
    open_until: datetime | None
    last_fault: str | None
    last_fault_at: datetime | None
    last_success_at: datetime | None


class ProviderLimits(Protocol):
    """What every request asks first, and is reported to afterwards."""

    async def admit(self, account: Account) -> None:
        """Count a request that is about to be made.

        Raises:
            SignalUnavailable: If it must not be made now.
        """

    async def succeeded(self, account: Account) -> None:
        """Note that the provider answered: its breaker closes."""

    async def failed(self, account: Account, fault: str) -> None:
        """Note that it did not, or not sensibly: after several in a row its breaker opens."""

    async def refused(self, account: Account, fault: str) -> None:
        """Note that it refused the key: its breaker opens at once, and for long."""

    async def slow_down(self, account: Account, fault: str, pause: timedelta | None) -> None:
        """Note that it asked for fewer requests, for `pause` if it said how long."""

    async def not_offered(self, account: Account, zone: str, question: str) -> str | None:
        """Return why a question about a zone is not worth asking, or `None` if it is."""

    async def remember_not_offered(
        self, account: Account, zone: str, question: str, why: str
    ) -> None:
        """Note that a question about a zone is not in this account's plan."""

    async def standing(self, account: Account) -> Standing:
        """Return how an account stands."""


@dataclass(slots=True)
class _Record:
    requests: deque[datetime] = field(default_factory=deque)
    failures: int = 0
    strikes: int = 0
    paused_until: datetime | None = None
    open_until: datetime | None = None
    probe_until: datetime | None = None
    fault: tuple[str, datetime] | None = None
    success_at: datetime | None = None


class LocalLimits:
    """The manners of a single process, in its memory.

    Args:
        now: The grid clock.
        jitter: Returns a number from 0 to 1, the share of the longest pause that is taken.
    """

    def __init__(
        self, now: Callable[[], datetime], *, jitter: Callable[[], float] = random.random
    ) -> None:
        self._now = now
        self._jitter = jitter
        self._records: defaultdict[Account, _Record] = defaultdict(_Record)
        self._not_offered: dict[tuple[Account, str, str], tuple[datetime, str]] = {}

    async def admit(self, account: Account) -> None:
        """Count a request that is about to be made; see `ProviderLimits.admit`."""
        now, record = self._now(), self._fresh(account)
        obstacle: tuple[Obstacle, datetime] | None = None
        if record.paused_until and now < record.paused_until:
            obstacle = "paused", record.paused_until
        elif record.open_until and now < record.open_until:
            obstacle = "open", record.open_until
        elif record.probe_until and now < record.probe_until:
            obstacle = "probing", record.probe_until
        elif len(record.requests) >= account.per_hour:
            obstacle = "spent", record.requests[0] + WINDOW
        if obstacle:
            raise not_now(account, *obstacle, record.fault[0] if record.fault else None)
        record.requests.append(now)
        if record.open_until:
            record.probe_until = now + PROBE_FOR

    async def succeeded(self, account: Account) -> None:
        """Note that the provider answered: its breaker closes."""
        record = self._records[account]
        record.failures = record.strikes = 0
        record.open_until = record.probe_until = None
        record.success_at = self._now()

    async def failed(self, account: Account, fault: str) -> None:
        """Note that it did not, or not sensibly: after several in a row its breaker opens."""
        record = self._fault(account, fault)
        record.failures += 1
        if record.open_until or record.failures >= OPEN_AFTER:
            record.open_until = self._now() + OPEN_FOR

    async def refused(self, account: Account, fault: str) -> None:
        """Note that it refused the key: its breaker opens at once, and for long."""
        self._fault(account, fault).open_until = self._now() + REFUSED_FOR

    async def slow_down(self, account: Account, fault: str, pause: timedelta | None) -> None:
        """Note that it asked for fewer requests, for `pause` if it said how long."""
        record = self._fault(account, fault)
        record.strikes += 1
        if pause is None:
            longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(record.strikes - 1, 10))
            pause = longest * self._jitter()
        until = self._now() + pause
        record.paused_until = max(until, record.paused_until or until)

    async def not_offered(self, account: Account, zone: str, question: str) -> str | None:
        """Return why a question about a zone is not worth asking, or `None` if it is."""
        until, why = self._not_offered.get((account, zone, question), (None, None))
        return why if until and self._now() < until else None

    async def remember_not_offered(
        self, account: Account, zone: str, question: str, why: str
    ) -> None:
        """Note that a question about a zone is not in this account's plan."""
        self._not_offered[account, zone, question] = self._now() + NOT_OFFERED_FOR, why

    async def standing(self, account: Account) -> Standing:
        """Return how an account stands."""
        now, record = self._now(), self._fresh(account)
        fault, fault_at = record.fault or (None, None)
        return Standing(
            account=account,
            used=len(record.requests),
            paused_until=ahead(record.paused_until, now),
            breaker=breaker(record.open_until, now),
            open_until=ahead(record.open_until, now),
            last_fault=fault,
            last_fault_at=fault_at,
            last_success_at=record.success_at,
        )

    def _fresh(self, account: Account) -> _Record:
        """Return an account's record without the requests that no longer count."""
        record, since = self._records[account], self._now() - WINDOW
        while record.requests and record.requests[0] <= since:
            record.requests.popleft()
        return record

    def _fault(self, account: Account, fault: str) -> _Record:
        record = self._records[account]
        record.fault = fault, self._now()
        record.probe_until = None
        return record


def breaker(open_until: datetime | None, now: datetime) -> Breaker:
    """Return the state of a breaker that lets a probe through at `open_until`."""
    if open_until is None:
        return "closed"
    return "open" if now < open_until else "half open"


def ahead(time: datetime | None, now: datetime) -> datetime | None:
    """Return a time if it is still to come."""
    return time if time and now < time else None


def not_now(
    account: Account, obstacle: Obstacle, until: datetime, fault: str | None
) -> SignalUnavailable:
    """Return the error of a request that is not made, with what went wrong last."""
    cause = f" ({fault})" if fault and obstacle != "spent" else ""
    return SignalUnavailable(
        f"{account.provider} is not asked before {until:%Y-%m-%d %H:%M:%S} UTC, because "
        f"{_OBSTACLES[obstacle]}{cause}, so it says nothing new until then. It is asked again by "
        f"itself; `fairwind signal` shows how its account stands."
    )
