"""Live sources are refused at start where their settings cannot work."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from common.errors import SettingError
from common.settings import Settings
from scheduler.carbon.providers import (
    PROVIDERS,
    live_names,
    make_account,
    make_provider,
    refuse_unready,
)
from scheduler.carbon.sources import LIVE
from tests.fakes.limits import MemoryLimits

KEYS = {
    "electricity_maps_key": "k",
    "watttime_user": "u",
    "watttime_password": "p",
}
FAST = {
    "grid_speed": 3600,
    "grid_start": datetime(2026, 3, 1, tzinfo=UTC),
    "wall_start": datetime(2026, 11, 1, tzinfo=UTC),
}


def settings(signal: str, **more: Any) -> Settings:
    return Settings(signal=signal, **more)


@pytest.mark.parametrize(
    ("signal", "keys", "missing"),
    [
        ("electricity_maps", {}, "FAIRWIND_ELECTRICITY_MAPS_KEY"),
        ("electricity_maps", {"electricity_maps_key": "  "}, "FAIRWIND_ELECTRICITY_MAPS_KEY"),
        ("neso,watttime", {"watttime_password": "p"}, "FAIRWIND_WATTTIME_USER"),
        ("watttime", {"watttime_user": "u"}, "FAIRWIND_WATTTIME_PASSWORD"),
    ],
)
def test_a_source_without_its_key_is_refused_in_one_line(
    signal: str, keys: dict[str, str], missing: str
) -> None:
    with pytest.raises(SettingError, match=f"{missing} is not set") as caught:
        refuse_unready(settings(signal, **keys))
    assert "\n" not in str(caught.value)


def test_a_source_that_only_one_zone_names_needs_its_key_too() -> None:
    with pytest.raises(SettingError, match="FAIRWIND_ELECTRICITY_MAPS_KEY"):
        refuse_unready(settings("typical_day", signal_by_zone={"DE": "electricity_maps"}))


def test_a_key_that_no_header_can_hold_is_refused_without_showing_it() -> None:
    with pytest.raises(SettingError, match="characters that no key has") as caught:
        refuse_unready(settings("electricity_maps", electricity_maps_key="geheim\nß"))
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("url", ["api.example.org", "ftp://x/", "https://", "https://u:pw@host/"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(SettingError, match="FAIRWIND_NESO_URL is not an address") as caught:
        refuse_unready(settings("neso", neso_url=url))
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("clock", [FAST, FAST | {"grid_speed": 1}])
def test_todays_figures_are_not_booked_for_other_hours(name: str, clock: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="The grid clock is not the wall clock"):
        refuse_unready(settings(name, **KEYS, **clock))


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_fake_may_follow_any_grid_clock(name: str) -> None:
    refuse_unready(settings(name, **KEYS, **FAST, **{f"{name}_url": "http://127.0.0.1:9/v4"}))


def test_signals_without_network_need_nothing() -> None:
    refuse_unready(settings("typical_day,static", **FAST))


def test_live_sources_are_named_once_whoever_names_them() -> None:
    chosen = settings("neso,static", signal_by_zone={"DE": "watttime,neso", "FR": "typical_day"})
    assert live_names(chosen) == ("neso", "watttime")


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_counts_what_its_signal_is_said_to_count(name: str) -> None:
    chosen = settings(name, **KEYS)
    now = datetime(2026, 3, 1, tzinfo=UTC)
    provider_limits = MemoryLimits(lambda: now)
    provider = make_provider(chosen, name, provider_limits=provider_limits, now=lambda: now)  # type: ignore[arg-type]
    assert provider.name == name
    assert provider.family == LIVE[name](chosen)  # type: ignore[index]


def test_an_account_has_the_budget_of_its_plan() -> None:
    account = make_account(settings("neso", neso_per_hour=7), "neso")
    assert (str(account), account.per_hour) == ("neso:public", 7)
