"""Provider limits that all processes share, in a real Redis."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import BrokerError, SignalUnavailable
from scheduler.carbon.http.limits import ProviderAccount, ProviderLimits
from tasks.coordinator.provider_limits import RedisLimits
from tasks.local.redis_server import RedisServer
from tests.fakes.limits import MemoryLimits
from tests.unit.scheduler.carbon.http.limits_laws import (
    ACCOUNT,
    LAWS,
    ROOMY,
    Clock,
    Law,
    is_admitted,
)

PROJECT = Path(__file__).resolve().parents[2]


def run(url: str, body: Callable[[redis.asyncio.Redis], Coroutine[Any, Any, None]]) -> None:
    async def connected() -> None:
        async with redis.asyncio.Redis.from_url(url) as broker:
            await body(broker)

    asyncio.run(connected())


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_limits_shared_in_redis_keep_the_law(
    law: Law, redis_server: RedisServer, redis_client: redis.Redis
) -> None:
    clock = Clock()
    run(
        redis_server.redis_url,
        lambda broker: law(RedisLimits(broker, clock, jitter=lambda: 0.5), clock),
    )


def test_many_processes_never_exceed_one_budget(
    redis_server: RedisServer, redis_client: redis.Redis
) -> None:
    account = ProviderAccount.of("electricity_maps", "the-key", per_hour=50)

    async def body(broker: redis.asyncio.Redis) -> None:
        clock = Clock()
        async with redis.asyncio.Redis.from_url(redis_server.redis_url) as another:
            fleet = [RedisLimits(one, clock) for one in (broker, another)]
            asked = [is_admitted(fleet[number % 2], account) for number in range(200)]
            assert sum(await asyncio.gather(*asked)) == 50

    run(redis_server.redis_url, body)


def test_processes_see_each_others_pauses_and_breakers(
    redis_server: RedisServer, redis_client: redis.Redis
) -> None:
    async def body(broker: redis.asyncio.Redis) -> None:
        clock = Clock()
        one, another = RedisLimits(broker, clock), RedisLimits(broker, clock)
        await one.slow_down(ACCOUNT, "HTTP 429", timedelta(minutes=5))
        await one.refused(ROOMY, "HTTP 401")
        assert not await is_admitted(another, ACCOUNT)
        assert not await is_admitted(another, ROOMY)

    run(redis_server.redis_url, body)


@pytest.mark.parametrize("hours", [1, 72, 24 * 365])
def test_a_clock_that_is_set_back_makes_no_pause_longer(
    redis_server: RedisServer, redis_client: redis.Redis, hours: int
) -> None:
    once = ProviderAccount.of("electricity_maps", "another-key", per_hour=1)

    async def body(broker: redis.asyncio.Redis) -> None:
        clock = Clock()
        limits = RedisLimits(broker, clock)
        await limits.slow_down(ACCOUNT, "HTTP 429", timedelta(minutes=5))
        await limits.refused(ROOMY, "HTTP 401")
        assert await is_admitted(limits, once)
        clock.pass_by(hours=-hours)
        for account in (ACCOUNT, ROOMY, once):
            assert not await is_admitted(limits, account)
        clock.pass_by(minutes=4)
        assert not await is_admitted(limits, ACCOUNT)
        clock.pass_by(minutes=1)
        assert await is_admitted(limits, ACCOUNT)
        clock.pass_by(minutes=57)  # a window and a minute since the clock was set
        assert await is_admitted(limits, once)
        assert await is_admitted(limits, ROOMY)

    run(redis_server.redis_url, body)


def test_every_key_in_redis_expires(redis_server: RedisServer, redis_client: redis.Redis) -> None:
    async def body(broker: redis.asyncio.Redis) -> None:
        provider_limits = RedisLimits(broker, Clock())
        await provider_limits.admit(ACCOUNT)
        await provider_limits.failed(ACCOUNT, "HTTP 500")
        await provider_limits.remember_not_offered(ACCOUNT, "DE", "future", "no")

    run(redis_server.redis_url, body)
    keys = redis_client.keys("*")
    assert len(keys) == 3
    assert all(redis_client.ttl(key) > 7 * 86_400 for key in keys)


def test_a_redis_that_is_gone_is_a_broker_error() -> None:
    async def body(broker: redis.asyncio.Redis) -> None:
        with pytest.raises(BrokerError, match="the provider gets no request"):
            await RedisLimits(broker, Clock()).admit(ACCOUNT)

    run("redis://127.0.0.1:1/0", body)


def _actions() -> st.SearchStrategy[tuple[str, float]]:
    names = ["admit", "unsent", "succeeded", "failed", "refused", "slow_down", "pause", "wait"]
    return st.tuples(st.sampled_from(names), st.sampled_from([1, 59, 300, 3600]))


async def _act(provider_limits: ProviderLimits, action: str, seconds: float) -> bool:
    """Do one thing; return whether it was a request that was admitted."""
    match action:
        case "admit":
            return await is_admitted(provider_limits, ACCOUNT)
        case "unsent":
            try:
                request = await provider_limits.admit(ACCOUNT)
            except SignalUnavailable:
                return False
            await provider_limits.unsent(ACCOUNT, request, "no proxy")
        case "succeeded":
            await provider_limits.succeeded(ACCOUNT)
        case "failed":
            await provider_limits.failed(ACCOUNT, "HTTP 500")
        case "refused":
            await provider_limits.refused(ACCOUNT, "HTTP 401")
        case "slow_down":
            await provider_limits.slow_down(ACCOUNT, "HTTP 429", None)
        case "pause":
            await provider_limits.slow_down(ACCOUNT, "HTTP 429", timedelta(seconds=seconds))
    return False


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(st.lists(_actions(), max_size=40))
def test_limits_shared_in_redis_decide_as_those_of_a_single_process(
    redis_server: RedisServer, redis_client: redis.Redis, actions: list[tuple[str, float]]
) -> None:
    redis_client.flushall()

    async def body(broker: redis.asyncio.Redis) -> None:
        clock = Clock()
        alone = MemoryLimits(clock, jitter=lambda: 0.5)
        fleet = RedisLimits(broker, clock, jitter=lambda: 0.5)
        for action, seconds in actions:
            if action == "wait":
                clock.pass_by(seconds=seconds)
            assert await _act(alone, action, seconds) == await _act(fleet, action, seconds)
            assert await alone.status(ACCOUNT) == await fleet.status(ACCOUNT)

    run(redis_server.redis_url, body)


def test_check_and_signal_say_why_a_provider_was_not_requested(
    redis_server: RedisServer, redis_client: redis.Redis, tmp_path: Path
) -> None:
    del redis_client  # an empty database
    env = {
        **os.environ,
        "FAIRWIND_REDIS_URL": redis_server.redis_url,
        "FAIRWIND_HOME": str(tmp_path),
        "FAIRWIND_SIGNAL": "electricity_maps,static",
        "FAIRWIND_ELECTRICITY_MAPS_KEY": "a-very-secret-key",
        "ALL_PROXY": "socks://someone:hunter2@127.0.0.1:1080",
        "PYTHONPATH": str(PROJECT),
    }

    def fairwind(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "tasks.cli", *words], env=env, cwd=tmp_path,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        shown = done.stdout + done.stderr
        assert "Traceback" not in shown
        assert "hunter2" not in shown
        assert "a-very-secret-key" not in shown
        return shown

    why = "ALL_PROXY names no proxy that can be used (SOCKS is not supported)"
    assert why in fairwind("enroll", "a", "--zone", "FR")  # it is enrolled, unchecked
    (account,) = json.loads(fairwind("signal", "--json"))["accounts"]
    assert account["used"] == 0
    assert account["state"] == "ok"
    assert account["last_fault"].startswith(why)
    texts = [each["text"] for each in json.loads(fairwind("check", "--json"))]
    assert any(text.startswith("electricity_maps has no") and why in text for text in texts)
    assert any(text.startswith("electricity_maps failed") and why in text for text in texts)
