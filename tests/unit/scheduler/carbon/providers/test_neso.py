"""NESO: the nation as measured, its regions as modelled, without a key."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from common.errors import SignalNotOffered, SignalUnavailable
from scheduler.carbon.family import Family
from scheduler.carbon.http.limits import REFUSED_FOR
from scheduler.carbon.reading import Reading
from tests.fakes.grid import expected_gco2eq_per_kwh, gco2eq_per_kwh
from tests.fakes.neso import FakeNeso
from tests.unit.scheduler.carbon.providers.asking import NOW, Asking

SLOT = timedelta(minutes=30)
NOON = NOW.replace(minute=0)


@pytest.fixture
def asking() -> Iterator[Asking]:
    with FakeNeso() as fake:
        yield Asking("neso", fake)


def now(asking: Asking, zone: str = "GB") -> list[Reading]:
    return asking.ask(lambda provider: provider.now(zone))


def past(asking: Asking, start: datetime, end: datetime = NOW, zone: str = "GB") -> list[Reading]:
    return asking.ask(lambda provider: provider.past(zone, start, end))


def test_now_comes_with_the_next_48_hours(asking: Asking) -> None:
    found = now(asking)
    assert found[0] == Reading(
        zone="GB",
        start=NOON,
        end=NOON + SLOT,
        gco2eq_per_kwh=expected_gco2eq_per_kwh("GB", NOON),
        source="neso",
        family=Family("average", "direct", "consumption"),
        quality="forecast",
        issued_at=NOON,
    )
    assert len(found) in {96, 97}
    assert sum(asking.fake.counts.values()) == 1


def test_times_are_asked_for_without_seconds(asking: Asking) -> None:
    now(asking)
    past(asking, NOON - 2 * SLOT)
    assert set(asking.fake.counts) == {
        "/intensity/2026-03-01T12:01Z/fw48h",
        "/intensity/2026-03-01T11:00Z/2026-03-01T12:10Z",
    }


def test_the_past_of_the_nation_is_measured_but_for_the_last_slots(asking: Asking) -> None:
    found = past(asking, NOON - 4 * SLOT)
    assert [one.quality for one in found] == ["measured"] * 2 + ["forecast"] * 3
    assert found[0].gco2eq_per_kwh == gco2eq_per_kwh("GB", NOON - 4 * SLOT)
    assert [one.issued_at for one in found] == [
        None, None, NOON - 2 * SLOT, NOON - SLOT, NOON,
    ]  # fmt: skip


def test_the_past_of_a_region_is_estimated_because_none_is_ever_measured(asking: Asking) -> None:
    found = past(asking, NOON - 4 * SLOT, zone="GB-LONDON")
    assert [one.quality for one in found] == ["estimated"] * 4 + ["forecast"]
    assert found[0].gco2eq_per_kwh == expected_gco2eq_per_kwh("regionid/13", NOON - 4 * SLOT)


def test_a_region_says_its_low_carbon_share(asking: Asking) -> None:
    # Nuclear 15, wind 20 and solar 5 of 100; biomass and imports are not counted.
    assert now(asking, "GB-NORTH-SCOTLAND")[0].low_carbon_share == pytest.approx(0.40)
    assert now(asking)[0].low_carbon_share is None


@pytest.mark.parametrize(
    ("zone", "number"),
    [("GB-NORTH-SCOTLAND", 1), ("GB-LONDON", 13), ("GB-ENGLAND", 15), ("GB-WALES", 17)],
)
def test_regions_are_asked_for_by_number(asking: Asking, zone: str, number: int) -> None:
    now(asking, zone)
    (path,) = asking.fake.counts
    assert path == f"/regional/intensity/2026-03-01T12:01Z/fw48h/regionid/{number}"


def test_there_are_a_nation_and_17_regions(asking: Asking) -> None:
    zones = asking.ask(lambda provider: provider.zones())
    assert len(zones) == 18
    assert zones[0] == "GB"


def test_a_region_in_a_list_is_the_same_region(asking: Asking) -> None:
    expected = now(asking, "GB-WALES")
    asking.fake.misbehave("listed")
    assert now(asking, "GB-WALES") == expected


def test_another_region_than_asked_for_is_refused(asking: Asking) -> None:
    asking.fake.misbehave("wrong_zone")
    with pytest.raises(SignalUnavailable, match="another region"):
        now(asking, "GB-WALES")


def test_a_zone_of_another_country_is_not_asked_for(asking: Asking) -> None:
    with pytest.raises(SignalNotOffered, match="Great Britain only, not DE"):
        now(asking, "DE")
    assert not asking.fake.counts


def test_an_error_of_its_own_form_is_told(asking: Asking) -> None:
    asking.fake.misbehave("400")
    with pytest.raises(SignalUnavailable, match="HTTP 400"):
        now(asking)


def test_a_blocked_address_sends_no_request_for_an_hour(asking: Asking) -> None:
    asking.fake.misbehave("403_html")
    with pytest.raises(SignalUnavailable, match="refuses requests"):
        now(asking)
    assert asking.status().open_until == NOW + REFUSED_FOR


def test_a_past_of_a_month_is_asked_for_in_14_days_without_telling_edges_twice(
    asking: Asking,
) -> None:
    found = past(asking, datetime(2026, 2, 1, tzinfo=UTC), NOON)
    assert len(found) == (28 * 24 + 12) * 2
    assert len({one.start for one in found}) == len(found)
    assert sum(asking.fake.counts.values()) == 3
