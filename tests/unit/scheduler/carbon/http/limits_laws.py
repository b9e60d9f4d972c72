"""What every implementation of `ProviderLimits` must do, checked by one account at a time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.errors import SignalUnavailable
from scheduler.carbon.http.limits import (
    NOT_OFFERED_FOR,
    OPEN_AFTER,
    OPEN_FOR,
    PROBE_FOR,
    REFUSED_FOR,
    AccountStatus,
    ProviderAccount,
    ProviderLimits,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACCOUNT = ProviderAccount.of("electricity_maps", "the-key", per_hour=3)
ROOMY = ProviderAccount.of("watttime", "user", per_hour=1000)


class Clock:
    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at

    def pass_by(self, **span: float) -> None:
        self.at += timedelta(**span)


Law = Callable[[ProviderLimits, Clock], Coroutine[Any, Any, None]]


async def is_admitted(provider_limits: ProviderLimits, account: ProviderAccount) -> bool:
    try:
        await provider_limits.admit(account)
    except SignalUnavailable:
        return False
    return True


async def an_account_nobody_used_stands_well(provider_limits: ProviderLimits, clock: Clock) -> None:
    status = await provider_limits.status(ACCOUNT)
    assert status == AccountStatus(ACCOUNT, 0, None, "closed", None, None, None, None)


async def a_budget_is_of_any_hour_not_of_the_clocks_hour(
    provider_limits: ProviderLimits, clock: Clock
) -> None:
    clock.pass_by(minutes=50)
    for _ in range(3):
        await provider_limits.admit(ACCOUNT)
        clock.pass_by(minutes=5)
    # 13:05. A new hour has begun, but the first request was at 12:50. It counts for 61 minutes,
    # because at the provider it may have arrived later than it left.
    with pytest.raises(SignalUnavailable, match=r"13:51:00 UTC.*used up"):
        await provider_limits.admit(ACCOUNT)
    assert (await provider_limits.status(ACCOUNT)).used == 3
    clock.pass_by(minutes=46)
    assert await is_admitted(provider_limits, ACCOUNT)
    assert not await is_admitted(provider_limits, ACCOUNT)  # the second leaves at 13:56
    assert (await provider_limits.status(ACCOUNT)).used == 3


async def accounts_do_not_share_a_budget(provider_limits: ProviderLimits, clock: Clock) -> None:
    for _ in range(3):
        await provider_limits.admit(ACCOUNT)
    other = ProviderAccount.of("electricity_maps", "another-key", per_hour=3)
    assert not await is_admitted(provider_limits, ACCOUNT)
    assert await is_admitted(provider_limits, other)


async def a_pause_lasts_as_long_as_was_asked_for(
    provider_limits: ProviderLimits, clock: Clock
) -> None:
    await provider_limits.slow_down(ROOMY, "HTTP 429", timedelta(hours=5))
    status = await provider_limits.status(ROOMY)
    assert (status.paused_until, status.last_fault) == (NOON + timedelta(hours=5), "HTTP 429")
    clock.pass_by(hours=4, minutes=59)
    with pytest.raises(SignalUnavailable, match=r"17:00:00 UTC.*replied with a pause"):
        await provider_limits.admit(ROOMY)
    clock.pass_by(minutes=1)
    assert await is_admitted(provider_limits, ROOMY)
    assert (await provider_limits.status(ROOMY)).paused_until is None


async def a_later_shorter_pause_does_not_end_a_longer_one(
    provider_limits: ProviderLimits, clock: Clock
) -> None:
    await provider_limits.slow_down(ROOMY, "HTTP 429", timedelta(hours=5))
    await provider_limits.slow_down(ROOMY, "HTTP 429", timedelta(minutes=1))
    assert (await provider_limits.status(ROOMY)).paused_until == NOON + timedelta(hours=5)


async def an_answer_under_way_does_not_end_a_pause(
    provider_limits: ProviderLimits, clock: Clock
) -> None:
    await provider_limits.slow_down(ROOMY, "HTTP 429", timedelta(hours=1))
    await provider_limits.succeeded(ROOMY)
    assert not await is_admitted(provider_limits, ROOMY)


async def pauses_without_a_word_double_up_to_an_hour(
    provider_limits: ProviderLimits, clock: Clock
) -> None:
    # The jitter of these tests is 0.5: half of 1, 2, 4 ... minutes, at most half an hour.
    minutes = []
    for _ in range(8):
        await provider_limits.slow_down(ROOMY, "HTTP 429", None)
        until = (await provider_limits.status(ROOMY)).paused_until
        assert until is not None
        minutes.append((until - clock.at) / timedelta(minutes=1))
        clock.at = until
    assert minutes == [0.5, 1, 2, 4, 8, 16, 30, 30]


async def an_answer_ends_the_doubling(provider_limits: ProviderLimits, clock: Clock) -> None:
    for _ in range(4):
        await provider_limits.slow_down(ROOMY, "HTTP 429", None)
        clock.pass_by(hours=1)
    await provider_limits.succeeded(ROOMY)
    await provider_limits.slow_down(ROOMY, "HTTP 429", None)
    status = await provider_limits.status(ROOMY)
    assert status.paused_until == clock.at + timedelta(seconds=30)


async def several_failures_in_a_row_open_the_breaker(
    provider_limits: ProviderLimits, clock: Clock
) -> None:
    for _ in range(OPEN_AFTER - 1):
        await provider_limits.failed(ROOMY, "HTTP 500")
    assert await is_admitted(provider_limits, ROOMY)
    await provider_limits.failed(ROOMY, "HTTP 502")
    assert not await is_admitted(provider_limits, ROOMY)
    status = await provider_limits.status(ROOMY)
    assert (status.breaker, status.open_until) == ("open", NOON + OPEN_FOR)
    assert (status.last_fault, status.last_fault_at) == ("HTTP 502", NOON)


async def what_was_never_sent_costs_nothing_and_says_why(
    provider_limits: ProviderLimits, clock: Clock
) -> None:
    sent = await provider_limits.admit(ACCOUNT)
    for _ in range(OPEN_AFTER + 1):
        request = await provider_limits.admit(ACCOUNT)
        assert request != sent
        await provider_limits.unsent(ACCOUNT, request, "no proxy")
    status = await provider_limits.status(ACCOUNT)
    assert (status.used, status.breaker, status.last_fault) == (1, "closed", "no proxy")
    assert status.last_fault_at == NOON


async def a_probe_that_was_never_sent_is_tried_again(
    provider_limits: ProviderLimits, clock: Clock
) -> None:
    await provider_limits.refused(ROOMY, "HTTP 401")
    clock.at += REFUSED_FOR
    request = await provider_limits.admit(ROOMY)
    assert not await is_admitted(provider_limits, ROOMY)
    await provider_limits.unsent(ROOMY, request, "no proxy")
    assert await is_admitted(provider_limits, ROOMY)


async def failures_with_an_answer_between_open_nothing(
    provider_limits: ProviderLimits, clock: Clock
) -> None:
    for _ in range(3 * OPEN_AFTER):
        await provider_limits.failed(ROOMY, "HTTP 500")
        await provider_limits.succeeded(ROOMY)
    assert (await provider_limits.status(ROOMY)).breaker == "closed"


async def one_request_at_a_time_probes_a_half_open_breaker(
    provider_limits: ProviderLimits, clock: Clock
) -> None:
    for _ in range(OPEN_AFTER):
        await provider_limits.failed(ROOMY, "HTTP 500")
    clock.at += OPEN_FOR
    assert (await provider_limits.status(ROOMY)).breaker == "half open"
    assert [await is_admitted(provider_limits, ROOMY) for _ in range(3)] == [True, False, False]
    await provider_limits.failed(ROOMY, "HTTP 500")
    assert (await provider_limits.status(ROOMY)).breaker == "open"
    clock.at += OPEN_FOR
    assert await is_admitted(provider_limits, ROOMY)
    await provider_limits.succeeded(ROOMY)
    assert (await provider_limits.status(ROOMY)).breaker == "closed"
    assert [await is_admitted(provider_limits, ROOMY) for _ in range(3)] == [True, True, True]


async def a_probe_whose_process_died_is_not_waited_for(
    provider_limits: ProviderLimits, clock: Clock
) -> None:
    await provider_limits.refused(ROOMY, "HTTP 401")
    clock.at += REFUSED_FOR
    assert await is_admitted(provider_limits, ROOMY)
    clock.at += PROBE_FOR
    assert await is_admitted(provider_limits, ROOMY)


async def a_refused_key_is_not_used_for_long(provider_limits: ProviderLimits, clock: Clock) -> None:
    await provider_limits.refused(ROOMY, "HTTP 401: Invalid auth-token")
    assert (await provider_limits.status(ROOMY)).open_until == NOON + REFUSED_FOR
    clock.at += REFUSED_FOR - timedelta(seconds=1)
    with pytest.raises(SignalUnavailable, match=r"failures or refusals \(HTTP 401: Invalid auth"):
        await provider_limits.admit(ROOMY)


async def what_is_not_made_is_not_counted(provider_limits: ProviderLimits, clock: Clock) -> None:
    await provider_limits.slow_down(ACCOUNT, "HTTP 429", timedelta(minutes=10))
    for _ in range(5):
        assert not await is_admitted(provider_limits, ACCOUNT)
    assert (await provider_limits.status(ACCOUNT)).used == 0


async def what_a_plan_lacks_is_remembered_for_hours(
    provider_limits: ProviderLimits, clock: Clock
) -> None:
    await provider_limits.remember_not_offered(ACCOUNT, "DE", "future", "no forecast in this plan")
    assert await provider_limits.not_offered(ACCOUNT, "DE", "future") == "no forecast in this plan"
    assert await provider_limits.not_offered(ACCOUNT, "DE", "now") is None
    assert await provider_limits.not_offered(ACCOUNT, "FR", "future") is None
    assert await provider_limits.not_offered(ROOMY, "DE", "future") is None
    clock.at += NOT_OFFERED_FOR
    assert await provider_limits.not_offered(ACCOUNT, "DE", "future") is None


async def the_last_answer_is_remembered(provider_limits: ProviderLimits, clock: Clock) -> None:
    await provider_limits.succeeded(ROOMY)
    clock.pass_by(hours=3)
    await provider_limits.failed(ROOMY, "HTTP 500")
    status = await provider_limits.status(ROOMY)
    assert status.last_success_at == NOON
    assert status.last_fault_at == NOON + timedelta(hours=3)


LAWS: list[Law] = [
    an_account_nobody_used_stands_well,
    a_budget_is_of_any_hour_not_of_the_clocks_hour,
    accounts_do_not_share_a_budget,
    a_pause_lasts_as_long_as_was_asked_for,
    a_later_shorter_pause_does_not_end_a_longer_one,
    an_answer_under_way_does_not_end_a_pause,
    pauses_without_a_word_double_up_to_an_hour,
    an_answer_ends_the_doubling,
    several_failures_in_a_row_open_the_breaker,
    what_was_never_sent_costs_nothing_and_says_why,
    a_probe_that_was_never_sent_is_tried_again,
    failures_with_an_answer_between_open_nothing,
    one_request_at_a_time_probes_a_half_open_breaker,
    a_probe_whose_process_died_is_not_waited_for,
    a_refused_key_is_not_used_for_long,
    what_is_not_made_is_not_counted,
    what_a_plan_lacks_is_remembered_for_hours,
    the_last_answer_is_remembered,
]
