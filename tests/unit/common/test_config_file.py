"""Settings in a TOML file: the environment wins over it, and each mistake costs one clear line."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from common import settings
from common.errors import SettingError
from tasks.cli import fairwind
from tasks.cli.preflight import findings
from tests.unit.common.settings_page import HEADING, PAGE, tables

PROJECT = Path(__file__).parents[3]

NO_SETTING = "sets {}, but there is no such setting. Nothing was started."


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write the settings file that FAIRWIND_CONFIG names."""
    path = tmp_path / "coordinator.toml"

    def write_file(text):
        path.write_text(text, "utf-8")
        settings.load.cache_clear()
        return path

    monkeypatch.setenv("FAIRWIND_CONFIG", str(path))
    return write_file


def test_a_duration_of_the_file_may_say_its_units(write):
    write('patience_h = "3d"\ndwell_min = 45\n')
    assert (settings.load().patience_h, settings.load().dwell_min) == (72.0, 45.0)


@pytest.fixture
def write_at_home(tmp_path, monkeypatch):
    """Write the settings file that is found in FAIRWIND_HOME."""
    monkeypatch.delenv("FAIRWIND_CONFIG")
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))

    def write_file(text):
        path = tmp_path / "fairwind.toml"
        path.write_text(text, "utf-8")
        settings.load.cache_clear()
        return path

    return write_file


def refused() -> str:
    with pytest.raises(SettingError) as caught:
        settings.load()
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_file_sets_every_shape_of_value(write):
    write(
        """
        pue = 1.3
        tick_s = 2
        signal = ["neso", "static"]
        workloads = "digits, heart"
        home = "/srv/fw"
        grid_start = 2026-07-01T02:00:00+02:00
        wall_start = "2026-07-01T00:00Z"
        static_gco2eq_per_kwh = {FR = 56}
        [signal_by_zone]
        GB = ["neso"]
        """
    )
    ours = settings.load()
    assert (ours.pue, ours.tick_s, ours.folder) == (1.3, 2.0, Path("/srv/fw"))
    assert ours.signal == ("neso", "static")
    assert ours.workloads == ("digits", "heart")
    assert ours.clock.grid_start == datetime(2026, 7, 1, tzinfo=UTC)
    assert ours.static_gco2eq_per_kwh == {"FR": 56.0}
    assert ours.signal_by_zone == {"GB": ("neso",)}


def test_a_file_in_the_home_folder_is_read(write_at_home):
    write_at_home("pue = 1.3")
    assert settings.load().pue == 1.3


def test_a_named_file_is_read_instead_of_the_one_at_home(write_at_home, tmp_path, monkeypatch):
    write_at_home("pue = 1.3")
    other = tmp_path / "other.toml"
    other.write_text("pue = 1.7", "utf-8")
    monkeypatch.setenv("FAIRWIND_CONFIG", str(other))
    assert settings.load().pue == 1.7


def test_the_null_device_stands_for_no_file(write_at_home, monkeypatch):
    write_at_home("pue = 1.3")
    monkeypatch.setenv("FAIRWIND_CONFIG", "/dev/null")
    assert settings.load().pue == 1.0


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(write, monkeypatch):
    write("pue = 1.3\nthreads = 4")
    monkeypatch.setenv("FAIRWIND_PUE", "1.5")
    ours = settings.load()
    assert (ours.pue, ours.threads, ours.idle_w) == (1.5, 4, 0.0)
    origins = settings.origins()
    assert (origins["pue"], origins["threads"], origins["idle_w"]) == (
        "environment", "file", "default",
    )  # fmt: skip


def test_a_table_in_the_environment_replaces_that_of_the_file_whole(write, monkeypatch):
    write("[static_gco2eq_per_kwh]\nDE = 380")
    monkeypatch.setenv("FAIRWIND_STATIC_GCO2EQ_PER_KWH", '{"FR": 56}')
    assert settings.load().static_gco2eq_per_kwh == {"FR": 56.0}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("treads = 4", f"{NO_SETTING.format('treads')} Did you mean threads?"),
        ("FAIRWIND_PUE = 1.3", f"{NO_SETTING.format('FAIRWIND_PUE')} Did you mean pue?"),
        ("xyzzy = 1", f"{NO_SETTING.format('xyzzy')} `fairwind settings` lists all names."),
        (
            "threads = true",
            (
                "sets threads to true, but no setting is true or false. Nothing was started. "
                "Give it a value that `fairwind settings` describes."
            ),
        ),
        (
            "client = 'lyon'",
            (
                "sets client, which only the environment can. Nothing was started. Remove the line "
                "and set FAIRWIND_CLIENT."
            ),
        ),
        (
            "[static_gco2eq_per_kwh]\nFR = 56\npue = 1.3",
            (
                "sets pue below the line [static_gco2eq_per_kwh], which makes it an entry of that "
                "table. Nothing was started. Move pue above the first line in brackets."
            ),
        ),
        (
            "pue = 1,3",
            (
                "is not TOML (Expected newline or end of document after a statement (at line 1, "
                "column 8)). Nothing was started. Correct it."
            ),
        ),
    ],
)
def test_a_bad_line_is_refused_with_file_key_consequence_and_remedy(write, line, said):
    path = write(line)
    assert refused() == f"{path} {said}"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("tick_s = 'soon'", "tick_s = 'soon'"),
        ("pue = 0.9", "pue = 0.9"),
        ("pue = nan", "pue = nan"),
        ("signal = ['tarot']", "signal = ['tarot']"),
        ("grid_start = 2026-07-01T00:00:00", "grid_start = datetime"),  # without a time zone
        ("static_gco2eq_per_kwh = 56", "static_gco2eq_per_kwh = 56"),
        ("electricity_maps_key = 12345678", "electricity_maps_key = ..."),
    ],
)
def test_a_bad_value_names_file_and_key_and_hides_secrets(write, line, shown):
    path = write(line)
    text = refused()
    assert text.startswith(f"{path}: {shown}")
    assert "does not fit: " in text
    assert "Nothing was started" in text
    assert "12345678" not in text


def test_a_bad_variable_is_blamed_on_the_environment(write, monkeypatch):
    write("pue = 1.3")
    monkeypatch.setenv("FAIRWIND_PUE", "0.9")
    assert refused().startswith("FAIRWIND_PUE='0.9' does not fit: ")


def test_a_file_that_is_not_there_is_refused(tmp_path, monkeypatch):
    for path in (tmp_path / "none.toml", tmp_path):
        monkeypatch.setenv("FAIRWIND_CONFIG", str(path))
        settings.load.cache_clear()
        assert refused().startswith(f"FAIRWIND_CONFIG names {path}, where this user sees no file.")


def test_bytes_that_are_no_text_are_refused(write):
    path = write("")
    path.write_bytes(b'transport = "\xff"')
    assert refused().startswith(f"{path} is not TOML (")


def test_a_file_found_at_home_must_not_move_it(write_at_home):
    path = write_at_home('home = "/elsewhere"')
    assert refused() == (
        f"{path} sets home, but was itself found in FAIRWIND_HOME, so the line could only "
        "contradict it. Nothing was started. Remove the line, or name the file in FAIRWIND_CONFIG."
    )


def test_the_command_shows_where_each_value_comes_from(write, monkeypatch):
    path = write("pue = 1.3\nredis_url = 'redis://:secret@h/0'")
    monkeypatch.setenv("FAIRWIND_THREADS", "3")
    shown = CliRunner().invoke(fairwind, ["settings"]).output
    assert re.search(r"FAIRWIND_PUE +1.3 +file ", shown)
    assert re.search(r"FAIRWIND_THREADS +3 +environment ", shown)
    assert re.search(r"FAIRWIND_IDLE_W +0.0 +default ", shown)
    assert str(path) in shown
    assert "secret" not in shown


@pytest.mark.parametrize(
    ("line", "mode", "warned"),
    [
        ("electricity_maps_key = 'abc'", 0o644, True),
        ("electricity_maps_key = 'abc'", 0o640, False),
        ("redis_url = 'redis://:abc@127.0.0.1:9/0'", 0o604, True),
        ("redis_url = 'redis://:abc@127.0.0.1:9/0'", 0o600, False),
        ("redis_url = 'redis://127.0.0.1:9/0'", 0o644, False),
    ],
)
def test_check_warns_of_secrets_that_all_can_read(write, line, mode, warned):
    path = write(line)
    path.chmod(mode)
    found = [finding.text for finding in findings() if "can read" in finding.text]
    name = line.partition(" ")[0]
    said = (
        f"Every user of this machine can read {name} in {path}. Close the file: chmod o-rwx {path}"
    )
    assert found == ([said] if warned else [])


def test_celery_reads_the_file_too(write):
    write('redis_url = "redis://elsewhere:6380/3"\ntick_s = 2.5')
    program = "import celeryconfig as c; print(c.broker_url, c.beat_schedule['tick']['schedule'])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["redis://elsewhere:6380/3", "2.5"]


def test_a_bad_file_stops_celery_with_one_line(write):
    path = write("treads = 4")
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-Q", "client.a"],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == (
        f"fairwind: {path} sets treads, but there is no such setting. Nothing was started. "
        "Did you mean threads?\n"
    )


def test_the_page_holds_every_setting():
    text = PAGE.read_text("utf-8")
    assert HEADING + text.partition(HEADING)[2] == tables(), (
        "docs/settings.md is not what the settings say. "
        "Run: python -m tests.unit.common.settings_page"
    )


def test_the_files_of_the_page_are_read(write):
    files = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(files) == 2
    for text in files:
        write(text)
        assert settings.load().workloads == ("heart",)
