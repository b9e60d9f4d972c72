"""A trace is replayed as recorded, and a broken one is refused with one clear line."""

import gzip
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.errors import SettingError, SignalError
from scheduler.carbon.signal import reading_at
from scheduler.carbon.signals.day_shape import typical_days
from scheduler.carbon.signals.trace import Trace

NEW_YEAR = datetime(2022, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

WIDE = """timestamp,FR,NO-NO1
2022-01-01T00:00Z,50.5,20
2022-01-01T01:00Z,52.5,
2022-01-01T02:00Z,53,22
"""

LONG = """gco2eq_per_kwh,datetime,zone
50.5,2022-01-01T00:00Z,FR
20,2022-01-01T00:00+00:00,NO-NO1
53,2022-01-01T02:00Z,FR

52.5,2022-01-01T02:00+01:00,FR
"""


def trace(folder: Path, text: str, name: str = "grid.csv") -> Trace:
    path = folder / name
    path.write_text(text)
    return Trace(path)


@pytest.mark.parametrize("text", [WIDE, LONG])
def test_wide_and_long_say_the_same(tmp_path, text):
    signal = trace(tmp_path, text)
    assert signal.zones() == ("FR", "NO-NO1")
    values = [r.gco2eq_per_kwh for r in signal.readings("FR", NEW_YEAR, NEW_YEAR + 3 * HOUR)]
    assert values == [50.5, 52.5, 53.0]
    assert reading_at(signal, "NO-NO1", NEW_YEAR).gco2eq_per_kwh == 20.0


def test_the_source_names_the_file(tmp_path):
    assert reading_at(trace(tmp_path, WIDE), "FR", NEW_YEAR).source == "trace:grid.csv"


def test_gzip_and_byte_order_mark_are_read(tmp_path):
    path = tmp_path / "grid.csv.gz"
    path.write_bytes(gzip.compress(("\ufeff" + WIDE).encode()))
    assert reading_at(Trace(path), "FR", NEW_YEAR).gco2eq_per_kwh == 50.5


def test_a_gap_is_unknown_not_zero(tmp_path):
    with pytest.raises(SignalError, match=r"no value for NO-NO1 .*01:00:00\+00:00.*unknown"):
        reading_at(trace(tmp_path, WIDE), "NO-NO1", NEW_YEAR + HOUR)
    around = trace(tmp_path, WIDE).readings("NO-NO1", NEW_YEAR, NEW_YEAR + 3 * HOUR)
    assert [reading.start for reading in around] == [NEW_YEAR, NEW_YEAR + 2 * HOUR]


def test_a_time_outside_names_what_is_covered_and_which_setting_helps(tmp_path):
    with pytest.raises(SignalError, match=r"3 hours from 2022-01-01.*FAIRWIND_GRID_START"):
        reading_at(trace(tmp_path, WIDE), "FR", NEW_YEAR + 3 * HOUR)


def test_a_long_trace_may_say_what_is_low_carbon_and_what_it_costs(tmp_path):
    header = "datetime,zone,price_eur_per_mwh,gco2eq_per_kwh,low_carbon_share\n"
    rows = "2022-01-01T00:00Z,FR,-1.5,50,0.93\n2022-01-01T01:00Z,FR,,60,\n"
    signal = trace(tmp_path, header + rows)
    first, second = signal.readings("FR", NEW_YEAR, NEW_YEAR + 2 * HOUR)
    assert (first.low_carbon_share, first.price_eur_per_mwh) == (0.93, -1.5)
    assert (second.low_carbon_share, second.price_eur_per_mwh) == (None, None)


@pytest.mark.parametrize("row", ["1.2,5", "-0.1,5", "nan,5", "0.5,cheap", "0.5,inf"])
def test_a_share_or_a_price_that_is_none_is_refused(tmp_path, row):
    header = "datetime,zone,gco2eq_per_kwh,low_carbon_share,price_eur_per_mwh\n"
    with pytest.raises(SettingError, match=r"line 2: the .* is not a"):
        trace(tmp_path, f"{header}2022-01-01T00:00Z,FR,50,{row}\n")


def test_zero_is_a_value(tmp_path):
    signal = trace(tmp_path, "datetime,IS\n2022-01-01T00:00Z,0\n")
    assert reading_at(signal, "IS", NEW_YEAR).gco2eq_per_kwh == 0.0
    assert reading_at(signal, "IS", NEW_YEAR).gco2eq_per_kwh == 0.0


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "columns are missing"),
        ("datetime,FR\n", "holds no value"),
        ("datetime,FR\n2022-01-01T00:00Z,\n", "holds no value"),
        ("hour,FR\n2022-01-01T00:00Z,5\n", "line 1: the columns are hour, FR"),
        ("datetime,FR,FR\n2022-01-01T00:00Z,5,6\n", "name each column once"),
        ("datetime,FR,\n2022-01-01T00:00Z,5,6\n", "'' is no zone id"),
        ("datetime,zone,gco2eq_per_kwh,direct\n2022-01-01T00:00Z,FR,5,6\n", "Keep only"),
        ("datetime,FR\n2022-01-01T00:00,5\n", "line 2: the time .* has no time zone"),
        ("datetime,FR\n2022-01-01T00:30Z,5\n", "not on the UTC hour"),
        ("datetime,FR\nyesterday,5\n", "the time 'yesterday' is not one"),
        ("datetime,FR\n2022-01-01T00:00Z,5,6\n", "3 cells for 2 columns"),
        ("datetime,FR\n2022-01-01T00:00Z,n/a\n", "'n/a' for FR is not a"),
        ("datetime,FR\n2022-01-01T00:00Z,-5\n", "'-5' for FR is negative"),
        ("datetime,FR\n2022-01-01T00:00Z,4000\n", "above 2000"),
        ("datetime,FR\n2022-01-01T00:00Z,5\n2022-01-01T00:00Z,5\n", "line 3: FR has a second"),
    ],
)
def test_a_malformed_trace_is_refused_with_its_line(tmp_path, text, fault):
    with pytest.raises(SettingError, match=fault) as caught:
        trace(tmp_path, text)
    assert "grid.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("grid.csv.gz", b"datetime,FR\n"),
        ("grid.csv.gz", gzip.compress(WIDE.encode(), mtime=0)[:-12]),
        ("grid.csv", b"\xff\xfe\x00"),
    ],
)
def test_an_unreadable_trace_is_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SettingError, match="cannot be read"):
        Trace(path)


def test_a_missing_trace_is_refused(tmp_path):
    with pytest.raises(SettingError, match=r"nowhere\.csv cannot be read.*FAIRWIND_TRACE_PATH"):
        Trace(tmp_path / "nowhere.csv")


@pytest.fixture(scope="session")
def year_2022() -> Trace:
    """Return the trace of 2022 from the folder of real data."""
    folder = os.environ.get("FAIRWIND_DATA")
    path = Path(folder or "") / "em2022_lifecycle_31zones_wide.csv.gz"
    if not folder or not path.exists():
        pytest.skip("FAIRWIND_DATA names no folder with em2022_lifecycle_31zones_wide.csv.gz")
    return Trace(path)


def test_the_real_year_is_read_whole(year_2022):
    assert len(year_2022.zones()) == 31
    assert len(year_2022.readings("DE", NEW_YEAR, NEW_YEAR + 8760 * HOUR)) == 8760
    assert reading_at(year_2022, "FR", NEW_YEAR).gco2eq_per_kwh == 50.5


def test_the_typical_days_have_the_means_of_the_real_year(year_2022):
    for zone, figures in typical_days().items():
        hours = year_2022.readings(zone, NEW_YEAR, NEW_YEAR + 8760 * HOUR)
        mean = sum(r.gco2eq_per_kwh for r in hours) / 8760
        assert mean == pytest.approx(figures.mean_gco2eq_per_kwh, abs=0.051)
