"""Provider limits that all processes share: kept in Redis, changed by small scripts."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import redis
import redis.asyncio

from common.errors import BrokerError
from common.keys import joined, redis_key
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
    ahead,
    breaker,
    not_now,
)

_KEEP_S = 8 * 86_400
"""Wall seconds after which an unused record expires: longer than any pause."""

_SET_BACK = """
local fault_at = tonumber(redis.call('HGET', KEYS[1], 'fault_at') or '0')
if fault_at > now then
  for _, name in ipairs({'paused_until', 'open_until', 'probe_until'}) do
    local till = tonumber(redis.call('HGET', KEYS[1], name) or '0')
    if till > 0 then
      redis.call('HSET', KEYS[1], name, string.format('%d', till - (fault_at - now)))
    end
  end
  redis.call('HSET', KEYS[1], 'fault_at', ARGV[1])
end
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf')) do
  redis.call('ZADD', KEYS[2], now, name)
end
"""
"""Where the clock was set back, what lies ahead of it happened now: no pause lasts any longer."""

_ADMIT = f"""
local now, window = tonumber(ARGV[1]), tonumber(ARGV[2])
{_SET_BACK}
local state = redis.call('HMGET', KEYS[1], 'paused_until', 'open_until', 'probe_until', 'fault')
local names = {{'paused', 'open', 'probing'}}
for i = 1, 3 do
  if state[i] and now < tonumber(state[i]) then
    return {{names[i], state[i], state[4] or ''}}
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - window)
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[3]) then
  local oldest = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  return {{'spent', string.format('%d', tonumber(oldest[2]) + window), ''}}
end
redis.call('ZADD', KEYS[2], now, ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[6])
if state[2] then
  redis.call('HSET', KEYS[1], 'probe_until', string.format('%d', now + tonumber(ARGV[5])))
end
return {{}}
"""
"""Counts a request, or returns the obstacle and until when. Times are in ms."""

_SUCCEEDED = """
redis.call('HDEL', KEYS[1], 'failures', 'strikes', 'open_until', 'probe_until')
redis.call('HSET', KEYS[1], 'success_at', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
"""

_FAULT = """
redis.call('HSET', KEYS[1], 'fault', ARGV[2], 'fault_at', ARGV[1])
redis.call('HDEL', KEYS[1], 'probe_until')
redis.call('EXPIRE', KEYS[1], ARGV[3])
local now = tonumber(ARGV[1])
"""
"""Begins each script about something that went wrong."""

_UNSENT = f"""{_FAULT}
redis.call('ZREM', KEYS[2], ARGV[4])
"""

_FAILED = f"""{_FAULT}
local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
if failures >= tonumber(ARGV[4]) or redis.call('HEXISTS', KEYS[1], 'open_until') == 1 then
  redis.call('HSET', KEYS[1], 'open_until', string.format('%d', now + tonumber(ARGV[5])))
end
"""

_REFUSED = f"""{_FAULT}
redis.call('HSET', KEYS[1], 'open_until', string.format('%d', now + tonumber(ARGV[4])))
"""

_SLOW_DOWN = f"""{_FAULT}
local strikes = redis.call('HINCRBY', KEYS[1], 'strikes', 1)
local pause = tonumber(ARGV[4])
if pause < 0 then
  local longest = tonumber(ARGV[5]) * 2 ^ math.min(strikes - 1, 10)
  pause = math.min(longest, tonumber(ARGV[6])) * tonumber(ARGV[7])
end
local known = tonumber(redis.call('HGET', KEYS[1], 'paused_until') or '0')
local pause_end = math.max(known, math.floor(now + pause))
redis.call('HSET', KEYS[1], 'paused_until', string.format('%d', pause_end))
"""


class RedisLimits:
    """The provider limits of every process that uses one Redis.

    Args:
        broker: A client of the event loop this is used in.
        now: The grid clock.
        jitter: Returns a number from 0 to 1, the share of the longest pause that is taken.
    """

    def __init__(
        self,
        broker: redis.asyncio.Redis,
        now: Callable[[], datetime],
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._broker = broker
        self._now = now
        self._jitter = jitter
        self._admit = broker.register_script(_ADMIT)
        self._unsent = broker.register_script(_UNSENT)
        self._succeeded = broker.register_script(_SUCCEEDED)
        self._failed = broker.register_script(_FAILED)
        self._refused = broker.register_script(_REFUSED)
        self._slow_down = broker.register_script(_SLOW_DOWN)

    async def admit(self, account: ProviderAccount) -> str:
        """Count a request that is about to be sent; see `ProviderLimits.admit`."""
        now, name = _ms(self._now()), uuid.uuid4().hex
        args: list[Any] = [now, _ms(WINDOW), account.per_hour, name, _ms(PROBE_FOR), _KEEP_S]
        obstacle = await _reply(self._admit(keys=[_state(account), _requests(account)], args=args))
        if obstacle:
            what, until, fault = (_text(part) for part in obstacle)
            raise not_now(account, cast("Obstacle", what), _time(until), fault)
        return name

    async def unsent(self, account: ProviderAccount, request: str, fault: str) -> None:
        """Take back a request that never left; see `ProviderLimits.unsent`."""
        keys = [_state(account), _requests(account)]
        await _reply(self._unsent(keys=keys, args=[*self._fault(fault), request]))

    async def succeeded(self, account: ProviderAccount) -> None:
        """Record a response: the breaker closes."""
        args = [_ms(self._now()), _KEEP_S]
        await _reply(self._succeeded(keys=[_state(account)], args=args))

    async def failed(self, account: ProviderAccount, fault: str) -> None:
        """Record a failure: after `OPEN_AFTER` consecutive ones the breaker opens."""
        args = [*self._fault(fault), OPEN_AFTER, _ms(OPEN_FOR)]
        await _reply(self._failed(keys=[_state(account)], args=args))

    async def refused(self, account: ProviderAccount, fault: str) -> None:
        """Record a refused key: the breaker opens at once, for `REFUSED_FOR`."""
        args = [*self._fault(fault), _ms(REFUSED_FOR)]
        await _reply(self._refused(keys=[_state(account)], args=args))

    async def slow_down(
        self, account: ProviderAccount, fault: str, pause: timedelta | None
    ) -> None:
        """Record a 429: no requests for `pause`, or for a growing time without Retry-After."""
        said = -1 if pause is None else _ms(pause)
        own = [_ms(FIRST_PAUSE), _ms(LONGEST_PAUSE), self._jitter()]
        args = [*self._fault(fault), said, *own]
        await _reply(self._slow_down(keys=[_state(account)], args=args))

    async def not_offered(self, account: ProviderAccount, zone: str, endpoint: str) -> str | None:
        """Return why this account gets no answer about a zone; `None` if it may request one."""
        found = await _reply(self._broker.hget(_memory(account), joined(zone, endpoint, by="|")))
        if found is None:
            return None
        until, why = json.loads(found)
        return why if self._now() < _time(until) else None

    async def remember_not_offered(
        self, account: ProviderAccount, zone: str, endpoint: str, why: str
    ) -> None:
        """Record that a endpoint about a zone is not in this account's plan."""
        entry = json.dumps([_ms(self._now() + NOT_OFFERED_FOR), why])
        await _reply(self._broker.hset(_memory(account), joined(zone, endpoint, by="|"), entry))
        await _reply(self._broker.expire(_memory(account), _KEEP_S))

    async def status(self, account: ProviderAccount) -> AccountStatus:
        """Return the limits of an account now."""
        now = self._now()
        state = await _reply(self._broker.hgetall(_state(account)))
        known = {_text(name): _text(value) for name, value in state.items()}
        times = {
            name: _time(known[name])
            for name in ("paused_until", "open_until", "fault_at", "success_at")
            if name in known
        }
        used = self._broker.zcount(_requests(account), f"({_ms(now - WINDOW)}", "+inf")
        return AccountStatus(
            account=account,
            used=await _reply(used),
            paused_until=ahead(times.get("paused_until"), now),
            breaker=breaker(times.get("open_until"), now),
            open_until=ahead(times.get("open_until"), now),
            last_fault=known.get("fault"),
            last_fault_at=times.get("fault_at"),
            last_success_at=times.get("success_at"),
        )

    def _fault(self, fault: str) -> list[Any]:
        return [_ms(self._now()), fault, _KEEP_S]


async def _reply(command: Awaitable[Any]) -> Any:
    """Return the reply of Redis.

    Raises:
        BrokerError: If there is none.
    """
    try:
        return await command
    except redis.RedisError as error:
        msg = (
            f"Redis did not return the limits of a provider ({type(error).__name__}), so the "
            f"provider gets no request. Check that Redis runs; Fairwind tries again by itself."
        )
        raise BrokerError(msg) from error


def _state(account: ProviderAccount) -> str:
    return redis_key("provider", account.provider, account.digest)


def _requests(account: ProviderAccount) -> str:
    return redis_key("provider", account.provider, account.digest, "requests")


def _memory(account: ProviderAccount) -> str:
    return redis_key("provider", account.provider, account.digest, "not_offered")


def _ms(what: datetime | timedelta) -> int:
    """Return a time since 1970, or a span, in ms: Lua's numbers hold these exactly."""
    span = what - _EPOCH if isinstance(what, datetime) else what
    return span // timedelta(milliseconds=1)


def _time(ms: str | int) -> datetime:
    return _EPOCH + timedelta(milliseconds=int(ms))


def _text(reply: bytes | str) -> str:
    return reply.decode() if isinstance(reply, bytes) else reply


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
