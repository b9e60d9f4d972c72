"""Electricity Maps' own CSV is read as it is downloaded: one file, or a folder of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.errors import SettingError
from common.settings import Settings
from scheduler.carbon.family import Family
from scheduler.carbon.local_signal import make_signal, trace_coverage
from scheduler.carbon.signal import reading_at
from scheduler.carbon.signals.trace import Coverage, Trace
from scheduler.carbon.sources import family_of, federation_family

HEADER = (
    "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),"
    "Carbon intensity gCO₂eq/kWh (Life cycle),Carbon-free energy percentage (CFE%),"
    "Renewable energy percentage (RE%),Data source,Data estimated,Data estimation method\n"
)
OLD_HEADER = (
    "Datetime (UTC),Country,Zone Name,Zone Id,Carbon Intensity gCO₂eq/kWh (direct),"
    "Carbon Intensity gCO₂eq/kWh (LCA),Low Carbon Percentage,Renewable Percentage,Data Source,"
    "Data Estimated,Data Estimation Method\n"
)
FRANCE = (
    "2022-01-01 00:00:00,France,France,FR,21.5,50.5,93.2,27.8,entsoe.eu,false,\n"
    '2022-01-01 01:00:00,France,France,FR,22.0,52.5,92.5,27.1,"entsoe.eu, rte",true,TIME_SLICER\n'
    "2022-01-01 02:00:00,France,France,FR,,,,,,,\n"
    "2022-01-01 03:00:00,France,France,FR,23.0,53.0,91.0,26.0,entsoe.eu,False,\n"
)
NORWAY = "2022-01-01 00:00:00,Norway,Southeast Norway,NO-NO1,2.1,24.0,99.1,98.7,entsoe.eu,false,\n"
NEW_YEAR = datetime(2022, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def write(folder: Path, text: str, name: str = "FR_2022_hourly.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "header", [HEADER, OLD_HEADER, "\ufeff" + HEADER, HEADER.replace("₂", "2")]
)
def test_both_headers_are_read(tmp_path: Path, header: str) -> None:
    signal = Trace(write(tmp_path, header + FRANCE))
    assert signal.zones() == ("FR",)
    first, second, fourth = signal.readings("FR", NEW_YEAR, NEW_YEAR + 4 * HOUR)
    assert (first.start, first.end) == (NEW_YEAR, NEW_YEAR + HOUR)
    assert (first.gco2eq_per_kwh, first.low_carbon_share) == (50.5, 0.932)
    assert (first.quality, first.method) == ("measured", "")
    assert (second.gco2eq_per_kwh, second.quality, second.method) == (
        52.5, "estimated", "TIME_SLICER",
    )  # fmt: skip
    assert fourth.start == NEW_YEAR + 3 * HOUR  # the third hour is a gap
    assert {r.family for r in (first, second, fourth)} == {
        Family("average", "lifecycle", "consumption")
    }
    assert signal.coverage("FR") == Coverage("FR", NEW_YEAR, NEW_YEAR + 4 * HOUR, 3, 1, 1)


@pytest.mark.parametrize("column", ["Zone id", "Datetime (UTC)", "Data estimated"])
def test_a_column_that_is_there_twice_is_refused(tmp_path: Path, column: str) -> None:
    header = HEADER.replace("Country", column, 1)
    with pytest.raises(SettingError, match="twice, so it is unknown which of them counts"):
        Trace(write(tmp_path, header + FRANCE))


def test_direct_and_life_cycle_are_never_the_same_family(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + FRANCE)
    direct = Settings(signal=("trace",), trace_path=path, trace_scope="direct")
    reading = reading_at(make_signal(direct), "FR", NEW_YEAR)
    assert reading.gco2eq_per_kwh == 21.5
    assert reading.family == federation_family(direct) == Family("average", "direct", "consumption")
    assert reading.family != family_of(Settings(), "trace")


def test_semicolons_and_decimal_commas_are_read(tmp_path: Path) -> None:
    text = (HEADER + NORWAY).replace(",", ";").replace(".", ",")
    assert reading_at(Trace(write(tmp_path, text)), "NO-NO1", NEW_YEAR).gco2eq_per_kwh == 24.0


def test_times_may_name_their_zone(tmp_path: Path) -> None:
    text = HEADER + NORWAY.replace("2022-01-01 00:00:00", "2022-01-01T01:00:00+01:00")
    assert reading_at(Trace(write(tmp_path, text)), "NO-NO1", NEW_YEAR).gco2eq_per_kwh == 24.0


def test_what_does_not_say_that_it_was_measured_counts_as_estimated(tmp_path: Path) -> None:
    header = ",".join(HEADER.strip().split(",")[:6])
    row = ",".join(NORWAY.split(",")[:6])
    reading = reading_at(Trace(write(tmp_path, f"{header}\n{row}\n")), "NO-NO1", NEW_YEAR)
    assert (reading.quality, reading.low_carbon_share) == ("estimated", None)


def test_slots_of_five_minutes_are_averaged_to_hours(tmp_path: Path) -> None:
    row = "2022-01-01 00:{:02}:00,Norway,SE,NO-NO1,1,{},90,90,x,{},M\n"
    rows = "".join(row.format(5 * n, 20 + n, str(n == 3).lower()) for n in range(12))
    signal = Trace(write(tmp_path, HEADER + rows, "NO-NO1_2022_5_minute.csv"))
    (reading,) = signal.readings("NO-NO1", NEW_YEAR, NEW_YEAR + HOUR)
    assert reading.gco2eq_per_kwh == 25.5
    assert (reading.quality, reading.method) == ("estimated", "M")


def test_a_folder_is_read_as_one_trace(tmp_path: Path) -> None:
    write(tmp_path, HEADER + FRANCE, "FR/FR_2022_hourly.csv")
    write(tmp_path, OLD_HEADER + NORWAY, "NO-NO1_2022_hourly.csv")
    write(tmp_path, HEADER + NORWAY, "NO-NO1_2022_hourly (1).CSV")
    write(tmp_path, "not a trace", "._FR_2022_hourly.csv")
    write(tmp_path, HEADER + FRANCE.replace("2022-", "2023-"), "FR_2023_hourly.csv")
    write(tmp_path, "Read me.", "README.md")
    ours = Settings(signal=("static", "trace"), trace_path=tmp_path)
    france, norway = trace_coverage(ours)
    year = timedelta(days=365)
    assert france == Coverage("FR", NEW_YEAR, NEW_YEAR + year + 4 * HOUR, 6, 8764 - 6, 2)
    assert norway == Coverage("NO-NO1", NEW_YEAR, NEW_YEAR + HOUR, 1, 0, 0)


@pytest.mark.parametrize(
    ("text", "name", "fault"),
    [
        (HEADER + FRANCE, "FR_2022_daily.csv", "its values are daily ones"),
        (HEADER + NORWAY, "FR_2022_yearly.csv", "Download the hourly export"),
        (HEADER + NORWAY + NORWAY.replace("-01-01", "-01-02"), "x.csv", "1 days apart"),
        (HEADER + NORWAY + NORWAY.replace("-01-01", "-02-01"), "x.csv", "31 days apart"),
        (HEADER + NORWAY + NORWAY.replace("24.0", "25"), "x.csv", "second, other value"),
        (HEADER + NORWAY.replace("24.0", "n/a"), "x.csv", "line 2: the value 'n/a'"),
        (HEADER + NORWAY.replace("24.0", "-1"), "x.csv", "is negative"),
        (HEADER + NORWAY.replace("99.1", "101"), "x.csv", "not a number from 0 to 100"),
        (HEADER + NORWAY.replace("2022-01-01", "01/01/2022"), "x.csv", "is not one"),
        (HEADER + NORWAY.replace("NO-NO1", "a b"), "x.csv", "is no zone id"),
        (HEADER + "2022-01-01 00:00:00,Norway\n", "x.csv", "2 cells for 11 columns"),
        (HEADER, "x.csv", "holds no value"),
        (HEADER.replace("Zone id", "Zone") + NORWAY, "x.csv", "without Zone id"),
        (HEADER.replace("(Life cycle)", "") + NORWAY, "x.csv", "the life-cycle carbon intensity"),
    ],
)
def test_what_cannot_be_hours_is_refused_in_one_line(
    tmp_path: Path, text: str, name: str, fault: str
) -> None:
    with pytest.raises(SettingError, match=fault) as caught:
        Trace(write(tmp_path, text, name))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_whose_files_disagree_or_that_is_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="is a folder without a file"):
        Trace(tmp_path)
    write(tmp_path, HEADER + NORWAY, "a.csv")
    write(tmp_path, HEADER + NORWAY.replace("24.0", "25.0"), "b.csv")
    with pytest.raises(SettingError, match=r"b\.csv has other values for NO-NO1"):
        Trace(tmp_path)
