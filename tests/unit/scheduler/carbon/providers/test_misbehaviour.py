"""What every provider must bear: servers that refuse, break, dawdle, babble or lie."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.errors import SignalUnavailable
from scheduler.carbon.http.limits import OPEN_AFTER
from scheduler.carbon.reading import Reading
from tests.fakes.server import local_time
from tests.unit.scheduler.carbon.providers.asking import FAKES, HASTY, NOW, PATHS, SECRETS, Asking


@pytest.fixture(params=FAKES)
def asking(request: pytest.FixtureRequest) -> Iterator[Asking]:
    with FAKES[request.param]() as fake:
        yield Asking(request.param, fake)


def now(asking: Asking) -> list[Reading]:
    return asking.ask(lambda provider: provider.now(asking.zone))


def future(asking: Asking) -> list[Reading]:
    return asking.ask(lambda provider: provider.future(asking.zone))


def past(asking: Asking, days: float = 23 / 24) -> list[Reading]:
    start = NOW - timedelta(days=days)
    return asking.ask(lambda provider: provider.past(asking.zone, start, NOW))


def misbehave(asking: Asking, how: str, value: object = "", times: int | None = None) -> None:
    asking.fake.misbehave(how, path=PATHS[asking.name], value=value, times=times)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("500", "HTTP 500"),
        ("502", "HTTP 502"),
        ("503", "HTTP 503"),
        ("404", "HTTP 404"),
        ("404_as_200", "No recent data"),
        ("null", "null"),
        ("garbage", "not JSON"),
        ("html", "not JSON"),
        ("nested", "not JSON"),
        ("huge", "more than 5 MB"),
        ("hang_up", "RemoteProtocolError"),
        ("naive", "now"),
    ],
)
def test_an_answer_without_figures_is_unavailable_and_says_why(
    asking: Asking, how: str, text: str
) -> None:
    misbehave(asking, how)
    with pytest.raises(SignalUnavailable, match=text) as caught:
        now(asking)
    assert len(str(caught.value)) < 600
    # Once it behaves again it is believed again.
    asking.fake.behave()
    assert now(asking)[0].start <= NOW


def test_an_answer_that_drips_is_not_waited_for(asking: Asking) -> None:
    asking = Asking(asking.name, asking.fake, limits=HASTY)
    asking.fake.misbehave("slow_drip")
    with pytest.raises(SignalUnavailable, match=r"no whole response within 0\.3 s"):
        now(asking)


def test_a_server_that_recovers_within_two_tries_is_not_noticed(asking: Asking) -> None:
    misbehave(asking, "500", times=2)
    assert now(asking)
    assert asking.slept == [0, 0]
    assert asking.status().breaker == "closed"


def test_every_try_counts(asking: Asking) -> None:
    asking.ask(lambda provider: provider.zones())
    now(asking)
    before = asking.status().used
    asking.clock.pass_by(minutes=1)
    misbehave(asking, "500", times=2)
    now(asking)
    assert asking.status().used - before == 3
    assert asking.fake.most_in_an_hour() == before + 3


def test_after_several_failures_nothing_is_sent(asking: Asking) -> None:
    misbehave(asking, "500")
    for _ in range(OPEN_AFTER):
        with pytest.raises(SignalUnavailable):
            now(asking)
    sent = sum(asking.fake.counts.values())
    with pytest.raises(SignalUnavailable, match="failures or refusals"):
        now(asking)
    assert sum(asking.fake.counts.values()) == sent


def test_a_spent_budget_is_not_exceeded(asking: Asking) -> None:
    budget: dict[str, Any] = {f"{asking.name}_per_hour": 4}
    asking = Asking(asking.name, asking.fake, **budget)
    caught: SignalUnavailable | None = None
    for _ in range(5):
        try:
            now(asking)
        except SignalUnavailable as error:
            caught = error
    assert "rate limit of this hour is used up" in str(caught)
    assert asking.fake.most_in_an_hour() == 4


def test_later_in_seconds_is_obeyed_however_long(asking: Asking) -> None:
    misbehave(asking, "429", value=7200)
    with pytest.raises(SignalUnavailable, match="HTTP 429"):
        now(asking)
    assert asking.status().paused_until == NOW + timedelta(hours=2)
    asking.fake.behave()
    with pytest.raises(SignalUnavailable, match="14:10:00 UTC"):
        now(asking)
    asking.clock.pass_by(hours=2)
    assert now(asking)


def test_later_as_a_date_is_obeyed(asking: Asking) -> None:
    misbehave(asking, "503", value="Sun, 01 Mar 2026 12:25:00 GMT")
    with pytest.raises(SignalUnavailable, match="HTTP 503"):
        now(asking)
    assert asking.status().paused_until == NOW + timedelta(minutes=15)


@pytest.mark.parametrize("nonsense", ["", "soon", "-5", "0", "9999999999"])
def test_too_many_requests_without_a_sensible_word_pauses_by_doubling(
    asking: Asking, nonsense: str
) -> None:
    misbehave(asking, "429", value=nonsense)
    with pytest.raises(SignalUnavailable):
        now(asking)
    assert asking.status().paused_until == NOW + timedelta(seconds=30)


def test_a_redirection_is_not_followed(asking: Asking) -> None:
    with FAKES[asking.name]() as other:
        misbehave(asking, "redirect", value=f"{other.url}/elsewhere")
        with pytest.raises(SignalUnavailable, match=r"redirection to 127\.0\.0\.1"):
            now(asking)
        assert not other.counts


def test_a_figure_that_no_grid_has_is_left_out_and_the_rest_kept(
    asking: Asking, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = past(asking)
    for value in (-3, 99_999, "nan"):
        asking.fake.behave()
        misbehave(asking, "implausible", value=value)
        rest = past(asking)
        assert len(rest) == len(whole) - 1
        assert set(rest) < set(whole)


def test_a_null_figure_is_a_gap_in_the_past(asking: Asking) -> None:
    whole = past(asking)
    misbehave(asking, "null_intensity")
    rest = past(asking)
    assert len(rest) == len(whole) - 1
    assert set(rest) < set(whole)


def test_times_with_an_offset_are_the_same_times(asking: Asking) -> None:
    expected = [(one.start, one.gco2eq_per_kwh) for one in past(asking)]
    misbehave(asking, "offset")
    found = past(asking)
    assert [(one.start, one.gco2eq_per_kwh) for one in found] == expected
    assert all(one.start.tzinfo is UTC for one in found)


@pytest.mark.parametrize(
    "day", [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)]
)
def test_a_day_on_which_clocks_change_has_every_hour_once(asking: Asking, day: datetime) -> None:
    # In local time the hour from 2 to 3 is missing in March, and comes twice in October.
    assert local_time(day)[-6:] != local_time(day + timedelta(hours=1))[-6:]
    asking.clock.at = day + timedelta(hours=12)
    misbehave(asking, "offset")
    found = asking.ask(lambda provider: provider.past(asking.zone, day, day + timedelta(hours=6)))
    assert found[0].start == day
    assert found[-1].end == day + timedelta(hours=6)
    assert all(one.end == two.start for one, two in itertools.pairwise(found))


def test_a_server_whose_clock_is_hours_ahead_says_nothing_of_now(asking: Asking) -> None:
    asking.fake.misbehave("skew", value=5)
    if asking.name == "neso":
        # It answers for the time it is asked about, whatever its own clock says.
        assert now(asking)[0].start == NOW - timedelta(minutes=10)
        return
    with pytest.raises(SignalUnavailable):
        now(asking)
    with pytest.raises(SignalUnavailable):
        future(asking)


def test_a_server_whose_clock_is_hours_behind_is_not_taken_for_now(asking: Asking) -> None:
    asking.fake.misbehave("skew", value=-5)
    if asking.name == "electricity_maps":
        # Late data are this provider's normal case: whoever asked sees that the hour is over.
        assert now(asking)[0].end < NOW
    forecast = future(asking)
    assert all(one.end > NOW for one in forecast)


@pytest.mark.parametrize("missing", [1, 2])
def test_a_short_gap_in_a_forecast_is_filled_on_a_straight_line(
    asking: Asking, missing: int
) -> None:
    misbehave(asking, "gaps", value=missing)
    found = future(asking)
    filled = [one for one in found if one.method == "interpolated"]
    assert len(filled) == missing
    assert all(one.end == two.start for one, two in itertools.pairwise(found))
    left, right = found[1], found[2 + missing]
    step = (right.gco2eq_per_kwh - left.gco2eq_per_kwh) / (missing + 1)
    assert filled[0].gco2eq_per_kwh == pytest.approx(left.gco2eq_per_kwh + step)


def test_a_long_gap_ends_a_forecast(asking: Asking) -> None:
    misbehave(asking, "gaps", value=3)
    # NESO's answer begins with the half hour that is over.
    assert len(future(asking)) == 2


def test_a_long_gap_in_the_past_stays_one(asking: Asking) -> None:
    whole = past(asking)
    misbehave(asking, "gaps", value=4)
    assert 0 < len(whole) - len(past(asking)) <= 4


def test_a_forecast_begins_now_and_has_no_gap(asking: Asking) -> None:
    found = future(asking)
    assert found[0].start <= NOW < found[0].end
    assert all(one.end == two.start for one, two in itertools.pairwise(found))
    assert {one.family for one in found} == {asking.provider.family}
    assert all(one.issued_at is not None and one.issued_at <= NOW for one in found[1:])


def test_a_month_is_asked_for_in_parts_and_each_time_is_told_once(asking: Asking) -> None:
    found = past(asking, days=40)
    assert found[0].start <= NOW - timedelta(days=40) < found[0].end
    assert all(one.end == two.start for one, two in itertools.pairwise(found))
    assert found[-1].end > NOW - timedelta(hours=1)


@pytest.mark.parametrize("how", ["401", "403_text", "403_html"])
def test_no_secret_is_in_any_text_whatever_is_refused(
    asking: Asking, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    misbehave(asking, how)
    texts = []
    for question in (now, future, past):
        with pytest.raises(Exception, match=r"\w") as caught:
            question(asking)
        texts += [str(caught.value), repr(caught.value), repr(caught.value.__context__)]
    texts += [caplog.text, str(asking.status()), repr(asking.provider), repr(asking.fetcher)]
    assert not any(secret in text for text in texts for secret in SECRETS)


def test_zones_are_sorted_and_include_the_one_asked_for(asking: Asking) -> None:
    zones = asking.ask(lambda provider: provider.zones())
    assert list(zones) == sorted(set(zones))
    assert asking.zone in zones
