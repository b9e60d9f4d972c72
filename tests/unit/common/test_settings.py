"""Settings come from one place, are checked at once, and a mistake costs one clear line."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import clock_start, settings
from common.clock import wall_now
from common.errors import SettingError


@pytest.fixture
def load(monkeypatch):
    """Load the settings that these variables make, without their prefix."""

    def load_with(**variables: str) -> settings.Settings:
        for name, value in variables.items():
            monkeypatch.setenv(f"FAIRWIND_{name}", value)
        settings.load.cache_clear()
        return settings.load()

    return load_with


def refused(load, **variables: str) -> str:
    with pytest.raises(SettingError) as caught:
        load(**variables)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_the_defaults_are_settings(load):
    ours = load()
    assert ours.threshold_gco2eq_per_kwh == 200.0
    assert ours.clock.speed == 1.0
    assert ours.folder == Path.home() / ".fairwind"
    assert ours.ledger == f"sqlite:///{Path.home()}/.fairwind/ledger.sqlite"


def test_a_variable_sets_its_field(load):
    ours = load(TICK_S="2.5", SIGNAL="static", HOME="/srv/fw", STATIC_GCO2EQ_PER_KWH='{"FR": 56}')
    assert (ours.tick_s, ours.signal, ours.folder) == (2.5, ("static",), Path("/srv/fw"))
    assert ours.static_gco2eq_per_kwh == {"FR": 56.0}
    assert ours.ledger == "sqlite:////srv/fw/ledger.sqlite"


@pytest.mark.parametrize(
    ("text", "words"),
    [("digits", ("digits",)), (" a , b,,", ("a", "b")), ("", ()), ("x.y:z", ("x.y:z",))],
)
def test_lists_are_words_with_commas(load, text, words):
    assert load(WORKLOADS=text).workloads == words


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("patience_h", "3d", 72.0), ("stale_h", "90min", 1.5), ("dwell_min", "1h", 60.0),
        ("tick_s", "2.5", 2.5), ("site_max_training_s", "1h30", 5400.0),
        ("transport_ttl_s", "2d", 172_800),
    ],
)  # fmt: skip
def test_a_duration_may_say_its_units(load, name, text, value):
    found = getattr(load(**{name.upper(): text}), name)
    assert found == value
    assert type(found) is type(value)


def test_what_is_no_duration_is_refused_with_an_example(load):
    text = refused(load, PATIENCE_H="soon")
    assert "'soon' is no duration. Write it as 2d, 48h, 90min, 1h30 or 45s. Nothing" in text
    assert "greater than 0" in refused(load, PATIENCE_H="0h")


def test_a_misspelt_name_offers_the_nearest(load):
    text = refused(load, THRESHOLD_GCO2_PER_KWH="100")
    assert text == (
        "There is no setting FAIRWIND_THRESHOLD_GCO2_PER_KWH, so it would have no effect. "
        "Did you mean FAIRWIND_THRESHOLD_GCO2EQ_PER_KWH?"
    )


def test_a_name_like_no_other_points_to_the_list(load):
    assert "`fairwind settings` lists all names" in refused(load, XYZZY="1")


@pytest.mark.parametrize("name", ["DATA", "FAILPOINT", "CLIENT"])
def test_names_read_elsewhere_are_not_refused(load, name):
    load(**{name: "anything"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TICK_S", "soon"),
        ("TICK_S", "0"),
        ("TICK_S", "inf"),
        ("PATIENCE_H", "nan"),
        ("PUE", "0.9"),
        ("SIGNAL", "tarot"),
        ("GRID_START", "2026-07-01T00:00"),  # without a time zone
        ("MAX_ATTEMPTS", "1.5"),
        ("STATIC_GCO2EQ_PER_KWH", "56"),
        ("STATIC_GCO2EQ_PER_KWH", "FR=56"),
        ("STATIC_GCO2EQ_PER_KWH", '{"FR": "clean"}'),
    ],
)
def test_a_bad_value_is_refused_in_one_line_that_names_it(load, name, value):
    text = refused(load, **{name: value})
    assert text.startswith(f"FAIRWIND_{name}={value!r} does not fit: ")
    assert "Nothing was started" in text


@pytest.mark.parametrize("set_alone", ["GRID_START", "WALL_START"])
def test_half_a_clock_is_refused(load, set_alone):
    ours = load(**{set_alone: "2026-07-01T00:00Z"})
    with pytest.raises(SettingError, match="Set both or neither"):
        _ = ours.clock


def test_a_clock_of_another_speed_needs_a_start(load):
    # Sped up since 1970, it would show the year 5000.
    ours = load(GRID_SPEED="60")
    with pytest.raises(SettingError, match="Set FAIRWIND_GRID_START and FAIRWIND_WALL_START"):
        _ = ours.clock


def test_the_clock_is_the_one_described(load):
    clock = load(
        GRID_START="2022-07-01T02:00+02:00", WALL_START="2026-07-01T00:00Z", GRID_SPEED="60"
    ).clock
    wall = datetime(2026, 7, 1, 0, 1, tzinfo=UTC)
    assert clock.at(wall) == datetime(2022, 7, 1, tzinfo=UTC) + timedelta(hours=1)


def test_a_clock_with_a_start_file_stands_until_the_file_is_there(load, tmp_path):
    file, start = tmp_path / "start", datetime(2026, 7, 12, 6, tzinfo=UTC)
    ours = load(GRID_START=start.isoformat(), GRID_SPEED="3000", WALL_START_FILE=str(file))
    first, then = ours.clock, ours.clock
    assert first.at(first.wall_start) == then.at(then.wall_start) == start
    assert wall_now() - then.wall_start < timedelta(minutes=1)

    wall = datetime(2026, 11, 28, 19, tzinfo=UTC)
    clock_start.begin(file, wall)
    assert ours.clock.at(wall + timedelta(seconds=1.2)) == start + timedelta(hours=1)


def test_who_awaits_a_clock_can_be_seen_and_goes_on_when_it_begins(tmp_path):
    file = tmp_path / "start"
    waiting = threading.Thread(target=clock_start.await_start, args=(file,))
    assert not clock_start.is_awaited(file)
    waiting.start()
    while not clock_start.is_awaited(file):
        time.sleep(0.001)
    assert waiting.is_alive()
    clock_start.begin(file, wall_now())
    waiting.join(20)
    assert not waiting.is_alive()


def test_settings_are_read_once_and_never_change(load, monkeypatch):
    ours = load(TICK_S="2")
    monkeypatch.setenv("FAIRWIND_TICK_S", "3")
    assert settings.load() is ours
    with pytest.raises(ValueError, match="frozen"):
        ours.tick_s = 4.0  # type: ignore[misc]


def test_every_setting_says_what_it_is():
    for name, field in settings.Settings.model_fields.items():
        assert field.description, name


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://:secret@host:6379/0", "redis://:***@host:6379/0"),
        ("rediss://site:secret@host/0", "rediss://site:***@host/0"),
        ("redis://site:se/cr@et@host/0", "redis://site:***@host/0"),
        ("redis://host/0?password=secret&db=1", "redis://host/0?password=***&db=1"),
        ("postgresql+psycopg://u:secret@h/db", "postgresql+psycopg://u:***@h/db"),
        ("sqlite:////srv/ledger.sqlite", "sqlite:////srv/ledger.sqlite"),
    ],
)
def test_passwords_are_hidden_and_nothing_else(url, shown):
    assert settings.without_password(url) == shown


@given(password=st.text(min_size=3).filter(lambda text: text.isprintable() and "*" not in text))
def test_no_password_shows_whatever_it_is_made_of(password):
    assert settings.without_password(f"redis://me:{password}@h/0") == "redis://me:***@h/0"
