"""Electricity Maps: zones, plans, and figures that must not be taken at face value."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from common.errors import SignalNotOffered, SignalUnavailable
from scheduler.carbon.family import Family
from scheduler.carbon.http.fetcher import Fetcher
from scheduler.carbon.http.limits import NOT_OFFERED_FOR, REFUSED_FOR
from scheduler.carbon.providers import PROVIDERS
from scheduler.carbon.reading import Reading
from tests.fakes.electricity_maps import KEY, FakeElectricityMaps
from tests.fakes.grid import expected_gco2eq_per_kwh, gco2eq_per_kwh
from tests.fakes.limits import MemoryLimits
from tests.unit.scheduler.carbon.providers.asking import NOW, Asking

HOUR = timedelta(hours=1)
NOON = NOW.replace(minute=0)
LATEST = "/v4/carbon-intensity/latest"
HISTORY = "/v4/carbon-intensity/history"
RANGE = "/v4/carbon-intensity/past-range"
FORECAST = "/v4/carbon-intensity/forecast"


@pytest.fixture
def fake() -> Iterator[FakeElectricityMaps]:
    with FakeElectricityMaps() as started:
        yield started


@pytest.fixture
def asking(fake: FakeElectricityMaps) -> Asking:
    return Asking("electricity_maps", fake)


def now(asking: Asking, zone: str = "DE") -> list[Reading]:
    return asking.ask(lambda provider: provider.now(zone))


def future(asking: Asking, zone: str = "DE") -> list[Reading]:
    return asking.ask(lambda provider: provider.future(zone))


def past(asking: Asking, start: datetime, end: datetime = NOW) -> list[Reading]:
    return asking.ask(lambda provider: provider.past("DE", start, end))


def test_the_hour_that_runs_is_estimated_and_says_how(asking: Asking) -> None:
    assert now(asking) == [
        Reading(
            zone="DE",
            start=NOON,
            end=NOON + HOUR,
            gco2eq_per_kwh=expected_gco2eq_per_kwh("DE", NOON),
            source="electricity_maps",
            family=Family("average", "lifecycle", "consumption"),
            quality="estimated",
            method="FORECASTS_HIERARCHY",
        )
    ]


def test_the_key_is_in_a_header_only_and_the_callers_place_is_never_guessed(
    asking: Asking,
) -> None:
    now(asking)
    request = asking.fake.seen[-1]
    assert request.headers["auth-token"] == KEY
    assert request.headers["user-agent"].startswith("fairwind/")
    assert request.query == {
        "zone": "DE",
        "disableCallerLookup": "true",
        "emissionFactorType": "lifecycle",
    }


@pytest.mark.parametrize(
    ("body", "value", "said"),
    [
        (  # v3
            {
                "zone": "DE",
                "carbonIntensity": 444,
                "datetime": "2026-03-01T12:00:00.000Z",
                "updatedAt": "2026-03-01T11:47:06.691Z",
                "createdAt": "2026-02-26T12:48:15.073Z",
                "emissionFactorType": "lifecycle",
                "isEstimated": True,
                "estimationMethod": "TIME_SLICER_AVERAGE",
            },
            444,
            ("estimated", "TIME_SLICER_AVERAGE"),
        ),
        (  # v4
            {
                "zone": "DE",
                "carbonIntensity": 275.5,
                "datetime": "2026-03-01T12:00:00.000Z",
                "emissionFactorType": "lifecycle",
                "flowTraced": True,
                "isEstimated": False,
                "temporalGranularity": "hourly",
            },
            275.5,
            ("measured", ""),
        ),
    ],
    ids=["v3", "v4"],
)
def test_both_versions_of_the_api_are_understood(
    asking: Asking, body: dict[str, object], value: float, said: tuple[str, str]
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        content = json.dumps({} if request.url.path.endswith("/zones") else body).encode()
        return httpx.Response(200, stream=httpx.ByteStream(content))

    reach, make = PROVIDERS["electricity_maps"]
    settings = asking.settings
    asking.provider = make(
        Fetcher(
            reach(settings),
            provider_limits=MemoryLimits(asking.clock),
            now=asking.clock,
            transport=httpx.MockTransport(answer),
        ),
        settings,
    )
    (found,) = now(asking)
    assert (found.gco2eq_per_kwh, (found.quality, found.method)) == (value, said)


def test_direct_figures_are_of_another_family(fake: FakeElectricityMaps) -> None:
    asking = Asking("electricity_maps", fake, electricity_maps_scope="direct")
    (found,) = now(asking)
    assert found.family == Family("average", "direct", "consumption")
    assert fake.seen[-1].query["emissionFactorType"] == "direct"


def test_figures_of_another_scope_than_asked_for_are_refused(asking: Asking) -> None:
    asking.fake.misbehave("other_scope", path="carbon-intensity")
    with pytest.raises(SignalUnavailable, match="no figure for this hour"):
        now(asking)


@pytest.mark.parametrize("how", ["sandbox", "disclaimer"])
def test_made_up_figures_of_a_sandbox_key_are_never_believed(asking: Asking, how: str) -> None:
    asking.fake.misbehave(how, path="carbon-intensity")
    with pytest.raises(SignalUnavailable, match="sandbox key, whose figures are made up"):
        now(asking)
    assert asking.status().open_until == NOW + REFUSED_FOR


def test_another_zone_than_asked_for_is_refused(asking: Asking) -> None:
    asking.fake.misbehave("wrong_zone", path="carbon-intensity")
    with pytest.raises(SignalUnavailable, match="another zone"):
        now(asking)


def test_days_are_no_hours(asking: Asking) -> None:
    asking.fake.misbehave("daily", path="carbon-intensity")
    with pytest.raises(SignalUnavailable, match="not of an hour or less"):
        future(asking)


def test_a_null_intensity_is_no_figure(asking: Asking) -> None:
    asking.fake.misbehave("null_intensity", path="carbon-intensity")
    with pytest.raises(SignalUnavailable, match="no figure for this hour"):
        now(asking)


def test_a_zone_with_coordinates_is_asked_for_by_its_place(fake: FakeElectricityMaps) -> None:
    asking = Asking("electricity_maps", fake, zone_coordinates={"munich": (48.1, 11.6)})
    (found,) = now(asking, "munich")
    assert found.zone == "munich"
    assert {"lat": "48.1", "lon": "11.6"}.items() <= fake.seen[-1].query.items()
    assert "zone" not in fake.seen[-1].query


def test_a_401_is_tried_once_more_because_it_may_mean_too_often(asking: Asking) -> None:
    asking.fake.misbehave("401", path="latest", times=1)
    assert now(asking)
    assert asking.slept == [1.5]
    assert asking.status().breaker == "closed"


def test_a_401_that_stays_ends_all_requests_for_an_hour(asking: Asking) -> None:
    asking.fake.misbehave("401", path="latest")
    with pytest.raises(SignalUnavailable, match="the key is wrong, or used too often"):
        now(asking)
    assert asking.fake.counts[LATEST] == 2
    with pytest.raises(SignalUnavailable, match="13:10:00 UTC"):
        now(asking, "FR")
    assert asking.fake.counts[LATEST] == 2
    asking.fake.behave()
    asking.clock.at += REFUSED_FOR
    assert now(asking)


def test_a_wrong_key_is_found_out_by_two_requests_however_many_zones_ask(
    fake: FakeElectricityMaps,
) -> None:
    asking = Asking("electricity_maps", fake, electricity_maps_key="wrong")
    fake.misbehave("401", path="/zones")

    async def all_at_once(provider):
        asked = (provider.now(zone) for zone in fake.zones)
        return await asyncio.gather(*asked, return_exceptions=True)

    errors = asking.ask(all_at_once)
    assert all(isinstance(error, SignalUnavailable) for error in errors)
    assert sum(fake.counts.values()) == 2


@pytest.mark.parametrize("how", ["401", "403_text", "403_html"])
def test_a_forecast_that_is_refused_is_not_in_the_plan_and_that_is_remembered(
    asking: Asking, how: str
) -> None:
    asking.fake.misbehave("404", path="/zones")
    asking.fake.misbehave(how, path="forecast")
    for _ in range(3):
        with pytest.raises(SignalNotOffered, match=r"does not offer 'future' for DE"):
            future(asking)
    assert asking.fake.counts[FORECAST] == 1
    assert now(asking)  # nothing else suffers from it
    asking.fake.behave()
    asking.clock.at += NOT_OFFERED_FOR
    assert future(asking)


def test_what_the_plan_does_not_list_is_not_even_asked_for() -> None:
    with FakeElectricityMaps(forecast=False) as fake:
        asking = Asking("electricity_maps", fake)
        assert now(asking)
        with pytest.raises(SignalNotOffered, match="does not offer 'future' to this key"):
            future(asking)
        assert fake.counts[FORECAST] == 0
        assert fake.counts["/v4/zones"] == 1


@pytest.mark.parametrize("question", [now, future])
def test_what_the_plan_lists_and_is_refused_all_the_same_is_asked_again_in_an_hour(
    asking: Asking, question: Callable[[Asking], list[Reading]]
) -> None:
    # A firewall before the provider, perhaps: nothing that the plan will still say in six hours.
    asking.fake.misbehave("403_html", path="carbon-intensity")
    with pytest.raises(SignalUnavailable, match="refused although the plan includes it"):
        question(asking)
    asking.fake.behave()
    asking.clock.at += REFUSED_FOR
    assert question(asking)


def test_a_plan_is_asked_for_once_a_day(asking: Asking) -> None:
    for _ in range(5):
        now(asking)
    assert asking.fake.counts["/v4/zones"] == 1
    asking.clock.pass_by(days=1)
    now(asking)
    assert asking.fake.counts["/v4/zones"] == 2


def test_zones_may_be_wrapped(asking: Asking) -> None:
    asking.fake.misbehave("wrapped", path="/zones")
    assert asking.ask(lambda provider: provider.zones())[:2] == ("DE", "DK-DK1")


def test_a_zone_that_the_provider_lacks_is_not_asked_for(asking: Asking) -> None:
    with pytest.raises(SignalNotOffered, match=r"no such zone \(XX\)"):
        now(asking, "XX")
    assert asking.fake.counts[LATEST] == 0


def test_a_senseless_question_is_not_repeated(asking: Asking) -> None:
    asking.fake.misbehave("404", path="/zones")
    for _ in range(2):
        with pytest.raises(SignalNotOffered, match="does not exist"):
            now(asking, "XX")
    assert asking.fake.counts[LATEST] == 1


def test_a_forecast_of_72_hours_has_72_hours(asking: Asking) -> None:
    found = future(asking)
    assert len(found) == 72  # the answer holds 73 points
    assert (found[0].start, found[-1].end) == (NOON, NOON + 72 * HOUR)
    assert {one.quality for one in found} == {"forecast"}
    assert {one.issued_at for one in found} == {NOW}
    assert found[5].gco2eq_per_kwh == expected_gco2eq_per_kwh("DE", NOON + 5 * HOUR)


def test_the_last_day_comes_from_history_which_every_plan_has(asking: Asking) -> None:
    found = past(asking, NOW - 6 * HOUR)
    assert [one.start for one in found] == [NOON - n * HOUR for n in range(6, -1, -1)]
    assert [one.quality for one in found] == ["measured"] * 6 + ["estimated"]
    assert found[0].gco2eq_per_kwh == gco2eq_per_kwh("DE", NOON - 6 * HOUR)
    assert (asking.fake.counts[HISTORY], asking.fake.counts[RANGE]) == (1, 0)


def test_a_longer_past_comes_in_ranges_of_ten_days(asking: Asking) -> None:
    found = past(asking, NOW - timedelta(days=25), NOW - timedelta(days=2))
    assert len(found) == 23 * 24 + 1  # from within one hour to within another
    assert asking.fake.counts[RANGE] == 3


@pytest.mark.parametrize("how", ["array", "shuffled"])
def test_rows_under_either_name_and_in_any_order_are_the_same_past(
    asking: Asking, how: str
) -> None:
    expected = past(asking, NOW - 6 * HOUR)
    asking.fake.misbehave(how, path="history")
    assert past(asking, NOW - 6 * HOUR) == expected


def test_a_plan_without_ranges_still_knows_the_last_day() -> None:
    with FakeElectricityMaps(forecast=False) as fake:
        asking = Asking("electricity_maps", fake)
        found = past(asking, NOW - timedelta(days=28))
        assert found[0].start == NOON - 23 * HOUR
        with pytest.raises(SignalNotOffered):
            past(asking, NOW - timedelta(days=28), NOW - timedelta(days=2))


def test_late_data_are_told_with_their_own_hour(asking: Asking) -> None:
    asking.fake.misbehave("skew", value=-3, path="latest")
    assert now(asking)[0].start == datetime(2026, 3, 1, 9, tzinfo=UTC)


def test_zones_that_are_not_told_are_not_none(asking: Asking) -> None:
    asking.fake.misbehave("500", path="/zones")
    for _ in range(2):
        with pytest.raises(SignalUnavailable):
            asking.ask(lambda provider: provider.zones())
