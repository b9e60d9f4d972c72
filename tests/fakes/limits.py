"""Provider limits in memory, for tests of providers without Redis."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from scheduler.carbon.http.limits import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    NOT_OFFERED_FOR,
    OPEN_AFTER,
    OPEN_FOR,
    PROBE_FOR,
    REFUSED_FOR,
    WINDOW,
    AccountStatus,
    Obstacle,
    ProviderAccount,
    ProviderLimits,
    ahead,
    breaker,
    not_now,
)


@dataclass(slots=True)
class _Record:
    requests: deque[tuple[datetime, str]] = field(default_factory=deque)
    admitted: int = 0
    failures: int = 0
    strikes: int = 0
    paused_until: datetime | None = None
    open_until: datetime | None = None
    probe_until: datetime | None = None
    fault: tuple[str, datetime] | None = None
    success_at: datetime | None = None


class MemoryLimits(ProviderLimits):
    """Limits of a single process, in its memory: the model that `RedisLimits` is tested against.

    Args:
        now: The grid clock.
        jitter: Returns a number from 0 to 1, the share of the longest pause that is taken.
    """

    def __init__(
        self, now: Callable[[], datetime], *, jitter: Callable[[], float] = random.random
    ) -> None:
        self._now = now
        self._jitter = jitter
        self._records: defaultdict[ProviderAccount, _Record] = defaultdict(_Record)
        self._not_offered: dict[tuple[ProviderAccount, str, str], tuple[datetime, str]] = {}

    async def admit(self, account: ProviderAccount) -> str:
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
            obstacle = "spent", record.requests[0][0] + WINDOW
        if obstacle:
            raise not_now(account, *obstacle, record.fault[0] if record.fault else None)
        record.admitted += 1
        name = f"request {record.admitted}"
        record.requests.append((now, name))
        if record.open_until:
            record.probe_until = now + PROBE_FOR
        return name

    async def unsent(self, account: ProviderAccount, request: str, fault: str) -> None:
        """Take back a request that never left; see `ProviderLimits.unsent`."""
        record = self._fault(account, fault)
        record.requests = deque(each for each in record.requests if each[1] != request)

    async def succeeded(self, account: ProviderAccount) -> None:
        """Record a response: the breaker closes."""
        record = self._records[account]
        record.failures = record.strikes = 0
        record.open_until = record.probe_until = None
        record.success_at = self._now()

    async def failed(self, account: ProviderAccount, fault: str) -> None:
        """Record a failure: after `OPEN_AFTER` consecutive ones the breaker opens."""
        record = self._fault(account, fault)
        record.failures += 1
        if record.open_until or record.failures >= OPEN_AFTER:
            record.open_until = self._now() + OPEN_FOR

    async def refused(self, account: ProviderAccount, fault: str) -> None:
        """Record a refused key: the breaker opens at once, for `REFUSED_FOR`."""
        self._fault(account, fault).open_until = self._now() + REFUSED_FOR

    async def slow_down(
        self, account: ProviderAccount, fault: str, pause: timedelta | None
    ) -> None:
        """Record a 429: no requests for `pause`, or for a growing time without Retry-After."""
        record = self._fault(account, fault)
        record.strikes += 1
        if pause is None:
            longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(record.strikes - 1, 10))
            pause = longest * self._jitter()
        until = self._now() + pause
        record.paused_until = max(until, record.paused_until or until)

    async def not_offered(self, account: ProviderAccount, zone: str, endpoint: str) -> str | None:
        """Return why this account gets no answer about a zone; `None` if it may request one."""
        until, why = self._not_offered.get((account, zone, endpoint), (None, None))
        return why if until and self._now() < until else None

    async def remember_not_offered(
        self, account: ProviderAccount, zone: str, endpoint: str, why: str
    ) -> None:
        """Record that a endpoint about a zone is not in this account's plan."""
        self._not_offered[account, zone, endpoint] = self._now() + NOT_OFFERED_FOR, why

    async def status(self, account: ProviderAccount) -> AccountStatus:
        """Return the limits of an account now."""
        now, record = self._now(), self._fresh(account)
        fault, fault_at = record.fault or (None, None)
        return AccountStatus(
            account=account,
            used=len(record.requests),
            paused_until=ahead(record.paused_until, now),
            breaker=breaker(record.open_until, now),
            open_until=ahead(record.open_until, now),
            last_fault=fault,
            last_fault_at=fault_at,
            last_success_at=record.success_at,
        )

    def _fresh(self, account: ProviderAccount) -> _Record:
        """Return an account's record without the requests that no longer count."""
        record, since = self._records[account], self._now() - WINDOW
        while record.requests and record.requests[0][0] <= since:
            record.requests.popleft()
        return record

    def _fault(self, account: ProviderAccount, fault: str) -> _Record:
        record = self._records[account]
        record.fault = fault, self._now()
        record.probe_until = None
        return record
