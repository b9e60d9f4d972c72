"""What every local signal promises, whichever the settings choose."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import SettingError, SignalError
from common.settings import Settings
from scheduler.carbon.local_signal import make_signal
from scheduler.carbon.signal import reading_at

JULY = datetime(2022, 7, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(params=["typical_day", "static", "trace"])
def signal(request, tmp_path):
    trace = tmp_path / "trace.csv"
    rows = [f"{JULY + i * HOUR:%Y-%m-%dT%H:%MZ},{50 + i},{400 - i}" for i in range(48)]
    trace.write_text("\n".join(["datetime,FR,DE", *rows]))
    return make_signal(Settings(signal=request.param, trace_path=trace))


def test_the_setting_names_the_signal():
    for name in ("typical_day", "static"):
        assert make_signal(Settings(signal=name)).name == name


def test_readings_are_whole_utc_hours_that_overlap_the_interval(signal):
    start, end = JULY + timedelta(minutes=59), JULY + timedelta(hours=2, minutes=1)
    assert [(r.start, r.end) for r in signal.readings("FR", start, end)] == [
        (JULY, JULY + HOUR),
        (JULY + HOUR, JULY + 2 * HOUR),
        (JULY + 2 * HOUR, JULY + 3 * HOUR),
    ]


def test_an_hour_that_only_touches_the_interval_is_left_out(signal):
    assert [r.start for r in signal.readings("FR", JULY + HOUR, JULY + 2 * HOUR)] == [JULY + HOUR]


def test_an_empty_interval_has_no_readings(signal):
    assert signal.readings("FR", JULY, JULY) == []


def test_every_reading_says_what_it_is(signal):
    (reading,) = signal.readings("FR", JULY, JULY + HOUR)
    assert (reading.family.kind, reading.family.scope, reading.family.accounting) == (
        "average",
        "lifecycle",
        "consumption",
    )
    assert reading.quality == ("measured" if signal.name == "trace" else "modelled")
    assert reading.source.startswith(signal.name)
    assert reading.issued_at is None


def test_a_time_in_another_time_zone_is_the_same_instant(signal):
    east = JULY.astimezone(datetime.strptime("+0530", "%z").tzinfo)
    assert signal.readings("FR", east, east + HOUR) == signal.readings("FR", JULY, JULY + HOUR)


def test_an_unknown_zone_offers_near_names_and_how_to_list_them(signal):
    with pytest.raises(SignalError, match=r"no zone 'fr'.*Did you mean FR\?.*`fairwind zones`"):
        signal.readings("fr", JULY, JULY + HOUR)


def test_a_zone_like_no_other_still_says_how_to_list_them(signal):
    with pytest.raises(SignalError, match=r"unknown\. `fairwind zones` lists all \d+\.$"):
        signal.readings("atlantis", JULY, JULY + HOUR)


def test_naive_and_reversed_intervals_are_refused(signal):
    with pytest.raises(SignalError, match="no time zone"):
        signal.readings("FR", JULY.replace(tzinfo=None), JULY + HOUR)
    with pytest.raises(SignalError, match="ends before it starts"):
        signal.readings("FR", JULY + HOUR, JULY)


def test_zones_are_sorted_and_all_can_be_read(signal):
    assert list(signal.zones()) == sorted(signal.zones())
    assert "FR" in signal.zones()
    for zone in signal.zones():
        assert reading_at(signal, zone, JULY).zone == zone


@given(minutes=st.integers(0, 60 * 24 * 400), length=st.integers(1, 60 * 200))
def test_readings_cover_the_interval_without_gap_and_no_more(minutes, length):
    start = JULY + timedelta(minutes=minutes)
    end = start + timedelta(minutes=length)
    readings = make_signal(Settings()).readings("DE", start, end)
    assert readings[0].start <= start < readings[0].end
    assert readings[-1].start < end <= readings[-1].end
    for left, right in pairwise(readings):
        assert left.end == right.start


@given(st.timedeltas(timedelta(days=-36_500), timedelta(days=36_500)))
def test_the_reading_at_an_instant_holds_then(offset):
    reading = reading_at(make_signal(Settings()), "DE", JULY + offset)
    assert reading.start <= JULY + offset < reading.end


def test_trace_without_a_path_is_one_clear_line():
    with pytest.raises(SettingError, match="FAIRWIND_TRACE_PATH"):
        make_signal(Settings(signal="trace"))
