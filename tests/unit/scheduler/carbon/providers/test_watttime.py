"""WattTime: logins, regions, units, and what its forecast's first point is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from common.errors import SignalNotOffered, SignalUnavailable
from scheduler.carbon.family import Family
from scheduler.carbon.http.limits import REFUSED_FOR
from scheduler.carbon.providers import watttime
from scheduler.carbon.reading import Reading
from tests.fakes.grid import expected_gco2eq_per_kwh, gco2eq_per_kwh
from tests.fakes.watttime import FakeWattTime
from tests.unit.scheduler.carbon.providers.asking import NOW, Asking

CAL = "US-CAL-CISO"
FIVE = timedelta(minutes=5)
HALF_HOUR = timedelta(minutes=30)
REGIONS = {CAL: "CAISO_NORTH", "A": "FORBIDDEN", "B": "NOWHERE"}


@pytest.fixture
def fake() -> Iterator[FakeWattTime]:
    with FakeWattTime() as started:
        yield started


@pytest.fixture
def asking(fake: FakeWattTime) -> Asking:
    return Asking("watttime", fake, watttime_regions=REGIONS)


def now(asking: Asking, zone: str = CAL) -> list[Reading]:
    return asking.ask(lambda provider: provider.now(zone))


def past(asking: Asking, start: datetime, end: datetime = NOW) -> list[Reading]:
    return asking.ask(lambda provider: provider.past(CAL, start, end))


def test_pounds_per_mwh_become_grams_per_kwh() -> None:
    # A pound is 453.59237 g, so 1000 lb/MWh are 1000 * 453.59237 g / 1000 kWh.
    grams = 1000 * watttime.G_PER_KWH_PER_LB_PER_MWH
    assert grams == pytest.approx(453.59237)


def test_the_first_point_is_now_and_the_rest_a_forecast(asking: Asking) -> None:
    found = now(asking)
    assert (found[0].start, found[0].end) == (NOW, NOW + FIVE)
    assert (found[0].quality, found[0].issued_at) == ("estimated", None)
    expected = expected_gco2eq_per_kwh("CAISO_NORTH", NOW)
    assert found[0].gco2eq_per_kwh == pytest.approx(expected)
    assert {one.quality for one in found[1:]} == {"forecast"}
    assert {one.issued_at for one in found[1:]} == {NOW}
    assert {one.family for one in found} == {Family("marginal", "direct", "production")}


def test_a_forecast_is_fine_for_an_hour_and_then_of_half_hours(asking: Asking) -> None:
    found = now(asking)
    # From 12:10 in steps of 5 minutes to 13:30, the first half hour that begins after 13:10.
    fine = [one for one in found if one.end - one.start == FIVE]
    assert (fine[0].start, fine[-1].end) == (NOW, datetime(2026, 3, 1, 13, 30, tzinfo=UTC))
    assert len(fine) == 16
    assert {one.end - one.start for one in found[16:]} == {HALF_HOUR}
    # 72 hours from 12:10 on end at 12:10, so that the last whole half hour ends at 12:00.
    assert found[-1].end == datetime(2026, 3, 4, 12, tzinfo=UTC)


def test_a_percentile_is_never_taken_for_an_intensity(asking: Asking) -> None:
    asking.fake.misbehave("percentile", path="/v3/")
    with pytest.raises(SignalUnavailable, match="in percentile, not co2_moer in lbs_co2_per_mwh"):
        now(asking)


def test_any_other_unit_is_refused(asking: Asking) -> None:
    asking.fake.misbehave("other_units", path="/v3/")
    with pytest.raises(SignalUnavailable, match=r"kg_co2_per_mwh.*no carbon intensity"):
        past(asking, NOW - HALF_HOUR)


def test_another_region_than_asked_for_is_refused(asking: Asking) -> None:
    asking.fake.misbehave("wrong_zone", path="/v3/")
    with pytest.raises(SignalUnavailable, match="another region"):
        now(asking)


def test_one_login_serves_for_half_an_hour(asking: Asking) -> None:
    now(asking)
    asking.clock.pass_by(minutes=27)
    now(asking)
    assert asking.fake.counts["/login"] == 1
    asking.clock.pass_by(minutes=2)
    now(asking)
    assert asking.fake.counts["/login"] == 2
    assert asking.status().breaker == "closed"


def test_many_zones_at_once_log_in_once(fake: FakeWattTime) -> None:
    regions = {f"Z{number}": f"R{number}" for number in range(20)}
    asking = Asking("watttime", fake, watttime_regions=regions)

    async def all_at_once(provider):
        return await asyncio.gather(*(provider.now(zone) for zone in regions))

    assert len(asking.ask(all_at_once)) == 20
    assert fake.counts["/login"] == 1


def test_a_token_that_was_revoked_is_replaced_once(asking: Asking) -> None:
    now(asking)
    asking.fake.misbehave("revoked")
    assert now(asking)
    assert asking.fake.counts["/login"] == 2


def test_a_token_that_is_refused_although_new_ends_all_questions(asking: Asking) -> None:
    asking.fake.misbehave("403_html", path="/v3/")
    with pytest.raises(SignalUnavailable, match="refused although just logged in"):
        now(asking)
    assert asking.fake.counts["/login"] == 2
    assert asking.status().open_until == NOW + REFUSED_FOR


@pytest.mark.parametrize("how", ["401", "403_html"])
def test_a_refused_login_ends_all_questions(asking: Asking, how: str) -> None:
    asking.fake.misbehave(how, path="/login")
    with pytest.raises(SignalUnavailable, match="the login was refused"):
        now(asking)
    with pytest.raises(SignalUnavailable, match="13:10:00 UTC"):
        now(asking)
    assert sum(asking.fake.counts.values()) == 1


def test_a_wrong_password_is_a_refused_login(fake: FakeWattTime) -> None:
    asking = Asking("watttime", fake, watttime_password="not-the-password")  # noqa: S106
    with pytest.raises(SignalUnavailable, match="the login was refused") as caught:
        now(asking)
    assert "not-the-password" not in str(caught.value)


@pytest.mark.parametrize(("zone", "text"), [("A", "Invalid scope"), ("B", "unknown region")])
def test_a_region_outside_the_plan_is_remembered_as_such(
    asking: Asking, zone: str, text: str
) -> None:
    for _ in range(3):
        with pytest.raises(SignalNotOffered, match=text):
            now(asking, zone)
    assert (asking.fake.counts["/v3/forecast"], asking.fake.counts["/login"]) == (1, 1)
    assert now(asking)


def test_a_zone_without_region_and_place_is_not_asked_for(asking: Asking) -> None:
    with pytest.raises(SignalNotOffered, match="FAIRWIND_WATTTIME_REGIONS"):
        now(asking, "DE")
    assert not asking.fake.counts


def test_the_region_of_a_place_is_asked_for_once_a_month(fake: FakeWattTime) -> None:
    asking = Asking("watttime", fake, watttime_regions={}, zone_coordinates={"X": (39.7, -105.0)})
    for _ in range(3):
        assert now(asking, "X")[0].gco2eq_per_kwh == pytest.approx(
            expected_gco2eq_per_kwh("PSCO", NOW)
        )
    assert fake.counts["/v3/region-from-loc"] == 1
    asking.clock.pass_by(days=28)
    now(asking, "X")
    assert fake.counts["/v3/region-from-loc"] == 2


def test_a_place_without_coverage_is_remembered_as_such(fake: FakeWattTime) -> None:
    asking = Asking("watttime", fake, zone_coordinates={"sea": (0.0, 0.0)})
    for _ in range(2):
        with pytest.raises(SignalNotOffered, match="No coverage"):
            now(asking, "sea")
    assert fake.counts["/v3/region-from-loc"] == 1


def test_a_short_past_is_told_in_5_minutes_and_a_long_one_in_half_hours(asking: Asking) -> None:
    fine = past(asking, NOW - timedelta(hours=1))
    assert {one.end - one.start for one in fine} == {FIVE}
    assert {one.quality for one in fine} == {"estimated"}
    coarse = past(asking, NOW - timedelta(days=40))
    assert {one.end - one.start for one in coarse} == {HALF_HOUR}
    assert asking.fake.counts["/v3/historical"] == 3
    hour = datetime(2026, 2, 1, 6, tzinfo=UTC)
    of_hour = next(one for one in coarse if one.start == hour)
    assert of_hour.gco2eq_per_kwh == pytest.approx(gco2eq_per_kwh("CAISO_NORTH", hour))


def test_warnings_of_the_provider_are_logged(asking: Asking) -> None:
    asking.fake.misbehave("warned", path="/v3/")
    with capture_logs() as logs:
        now(asking)
    assert [line["event"] for line in logs] == ["signal.warned"]
    assert "an example" in logs[0]["text"]
