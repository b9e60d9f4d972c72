"""Provider limits within one process."""

from __future__ import annotations

import asyncio

import pytest

from scheduler.carbon.http.limits import ProviderAccount
from tests.fakes.limits import MemoryLimits
from tests.unit.scheduler.carbon.http.limits_laws import LAWS, Clock, Law


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_limits_of_a_single_process_keep_the_law(law: Law) -> None:
    clock = Clock()
    asyncio.run(law(MemoryLimits(clock, jitter=lambda: 0.5), clock))


def test_an_account_does_not_show_its_key() -> None:
    account = ProviderAccount.of("electricity_maps", "the-secret-key", 50)
    assert "secret" not in f"{account} {account!r}"
    assert account == ProviderAccount.of("electricity_maps", "the-secret-key", 50)
    assert account != ProviderAccount.of("electricity_maps", "another-key", 50)


def test_an_account_without_a_key_is_public() -> None:
    assert str(ProviderAccount.of("neso", None, 120)) == "neso:public"
