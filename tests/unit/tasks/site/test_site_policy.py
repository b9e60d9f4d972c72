"""A site's policy: what its file may hold, what is in force, and what it declines."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from common.clock import GridClock
from common.errors import IdentityError, KitError, SettingError
from common.hyperparameters import Hyperparameters
from common.identity import Identity
from common.kit import read_kit
from common.messages import Assignment, BlobRef
from common.settings import Settings
from tasks.site.site_policy import SiteState, declined
from tasks.site.site_policy_bounds import Today
from tasks.site.site_policy_file import (
    LARGEST_NBYTES,
    Leaves,
    Limits,
    PolicyFile,
    PrivacyTable,
    read_policy,
)
from tasks.site.site_policy_in_force import SitePolicy, policy_in_force
from tasks.site.site_reading import OwnReading

NOON = datetime(2026, 7, 8, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
PAGE = Path(__file__).parents[4] / "docs" / "site-policy.md"


def assignment(**changes: Any) -> Assignment:
    fields: dict[str, Any] = {
        "run": "heart-1", "round": 1, "client": "a", "attempt": 0, "workload": "digits",
        "hyperparameters": Hyperparameters(), "seed": 7, "clock": GridClock(), "issued_at": NOON,
        "sent_at": NOON, "model": BlobRef(key="model", sha256="0" * 64, nbytes=5_000_000),
        "valid_until": NOON + HOUR, "intensity_gco2eq_per_kwh": 150.0,
    }  # fmt: skip
    return Assignment(**(fields | changes))


def code(policy: SitePolicy, site: SiteState | None = None, **changes: Any) -> str | None:
    """Return why a site with this policy declines an assignment, if it does."""
    reason = declined(policy, assignment(**changes), NOON, site=site)
    if reason is None:
        return None
    assert "\n" not in reason.text
    return reason.code


def fault(tmp_path: Path, text: str | bytes) -> str:
    """Return the one line by which a policy file is refused."""
    path = tmp_path / "site.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingError) as caught:
        read_policy(path)
    said = str(caught.value)
    assert said.isprintable()
    assert "so this site declines everything. Correct the file" in said
    return said


# --- the file -----------------------------------------------------------------------------------


def test_the_example_of_the_page_is_a_policy_that_sets_every_line(tmp_path):
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    path = tmp_path / "site.toml"
    path.write_text(example)
    policy, version = read_policy(path)
    assert re.fullmatch(r"[0-9a-f]{12}", version)
    assert policy.limits.training_s == 7200.0
    for table in (policy, policy.limits, policy.leaves):
        assert all(value is not None for _, value in table), table


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("runs = [\n", "is not TOML ("),
        (b"\xff\xfe", "is not TOML ("),
        ("hour = ['22:00-06:00']", "does not fit, hour in line 1: there is no such key"),
        ("\n[limits]\n# most\nepocs = 3", "limits.epocs in line 4: there is no such key; the keys"),
        ("[limits]\nepochs = 0", "limits.epochs in line 2: input should be greater than"),
        ("[limits]\nepochs = true", "limits.epochs in line 2: input should be a valid integer"),
        ("[limits]\nepochs = '3'", "limits.epochs in line 2: input should be a valid integer"),
        ("[limits]\ntraining_s = 'soon'", "limits.training_s in line 2: 'soon' is no duration"),
        ("hours = ['night']", "hours in line 1: 'night' is no window; write it as 22:00-06:00"),
        ("[workloads]\nheart = 'v1'", "workloads.heart in line 2: "),
        ("ceiling_gco2eq_per_kwh = inf", "ceiling_gco2eq_per_kwh in line 1: "),
        ("approve = 'always'", "approve in line 1: input should be 'first' or 'never'"),
        ("reading = 'now.json'", "is no absolute path"),
        ("limits.epochs = " + "9" * 5000, "is not TOML ("),
        ("limits = " + "[" * 5000, "is not TOML ("),
        ("#" * (LARGEST_NBYTES + 1), f"has more than {LARGEST_NBYTES} bytes"),
        ("[leaves]\ncounts = 'about'", "leaves.counts in line 2: "),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_line(text, says, tmp_path):
    assert says in fault(tmp_path, text)


def test_a_pipe_in_place_of_a_file_is_waited_for_by_nobody(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(SettingError, match="it is no regular file"):
        read_policy(pipe)
    reading = OwnReading(pipe, max_age_s=3600.0, now=NOON)
    assert reading.gco2eq_per_kwh is None
    assert reading.fault == "its own reading cannot be read: it is no regular file"
    with pytest.raises(KitError, match="is damaged"):
        read_kit(pipe)
    with pytest.raises(IdentityError, match="is no regular file"):
        Identity.load(pipe)


def test_a_file_that_is_absent_or_a_folder_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "absent.toml", tmp_path / "no\nline"):
        with pytest.raises(SettingError, match="cannot be read") as caught:
            read_policy(path)
        assert str(caught.value).isprintable()


KEYS = [*PolicyFile.model_fields, "epochs", "metrics", "limits.epochs", "x", '"a\\nb"', "leaves"]
VALUES = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.text(max_size=8), st.just(["22:00-06:00"]),
    st.just({}), st.just({"epochs": 3}), st.dictionaries(st.text(max_size=3), st.integers()),
)  # fmt: skip


def toml(value: object) -> str:
    """Return a value as TOML writes it, or nearly so."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(k)} = {toml(v)}" for k, v in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool | float) else repr(value)


@given(
    lines=st.one_of(
        st.lists(
            st.builds(lambda key, value: f"{key} = {toml(value)}", st.sampled_from(KEYS), VALUES)
        ),
        st.lists(st.text(max_size=30)),
    )
)
def test_any_text_gives_a_policy_or_one_clear_line(lines, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text("\n".join(lines), encoding="utf-8", errors="replace")
    said = refused(path)
    assert said.isprintable()
    assert not said or "so this site declines everything" in said


def refused(path: Path) -> str:
    """Return why a policy file is refused; nothing if it is not."""
    try:
        read_policy(path)
    except SettingError as error:
        return str(error)
    return ""


# --- what is in force ---------------------------------------------------------------------------


def in_force(tmp_path: Path, text: str, **settings: Any) -> SitePolicy:
    path = tmp_path / "site.toml"
    path.write_text(text)
    return policy_in_force(Settings(site_policy=path, **settings))


def test_the_file_wins_over_settings_and_settings_hold_elsewhere(tmp_path):
    settings: dict[str, Any] = {
        "site_ceiling_gco2eq_per_kwh": 300.0,
        "site_windows": ("01:00-02:00",),
    }
    policy = in_force(tmp_path, "ceiling_gco2eq_per_kwh = 100", **settings)
    assert (policy.ceiling_gco2eq_per_kwh, policy.hours) == (100.0, ("01:00-02:00",))
    assert policy.from_file == {"ceiling_gco2eq_per_kwh"}
    assert policy_in_force(Settings(**settings)).ceiling_gco2eq_per_kwh == 300.0


def test_a_file_that_cannot_be_read_declines_everything_until_it_is_corrected(tmp_path):
    assert code(in_force(tmp_path, "[limits")) == "policy_unreadable"
    assert code(in_force(tmp_path, "")) is None
    (tmp_path / "site.toml").unlink()
    absent = policy_in_force(Settings(site_policy=tmp_path / "site.toml"))
    assert code(absent) == "policy_unreadable"


# --- what is declined ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("runs", "expected"),
    [(("heart-*",), None), (("heart-1",), None), (("Heart-*", "x"), "run_not_allowed"),
     ((), "run_not_allowed"), (None, None)],
)  # fmt: skip
def test_runs_are_allowed_by_name(runs, expected):
    assert code(SitePolicy(runs=runs)) == expected


@pytest.mark.parametrize(
    ("workloads", "approve", "site", "expected"),
    [
        ({"heart": "any"}, "never", SiteState(), "workload_not_allowed"),
        ({}, "never", SiteState(), "workload_not_allowed"),
        ({"digits": "any"}, "never", SiteState(), None),
        ({"digits": A}, "never", SiteState(source=A), None),
        ({"digits": A}, "never", SiteState(source=B), "workload_changed"),
        ({"digits": A}, "never", SiteState(), "workload_changed"),
        ({"digits": A}, "never", SiteState(source=A, source_changed=True), "workload_changed"),
        ({"digits": A}, "first", SiteState(source=A), None),
        ({"digits": "any"}, "first", SiteState(source=A), "awaits_approval"),
        ({"digits": "any"}, "first", SiteState(source=A, approved=True), None),
        (None, "first", SiteState(source=A), "awaits_approval"),
        (None, "first", SiteState(), "workload_changed"),
    ],
)
def test_workloads_are_allowed_by_name_and_source(workloads, approve, site, expected):
    assert code(SitePolicy(workloads=workloads, approve=approve), site) == expected


@pytest.mark.parametrize(
    ("own", "sent", "expected"),
    [(100.0, 900.0, None), (300.0, 0.0, "above_site_ceiling"), (None, 0.0, "above_site_ceiling")],
)
def test_a_reading_of_its_own_decides_whatever_the_coordinator_sends(own, sent, expected):
    policy = SitePolicy(ceiling_gco2eq_per_kwh=250, reading=Path("/now.json"))
    site = SiteState(own_intensity_gco2eq_per_kwh=own, reading_fault="" if own else "old")
    assert code(policy, site, intensity_gco2eq_per_kwh=sent) == expected


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ('{"gco2eq_per_kwh": 120, "at": "2026-07-08T11:30:00Z", "zone": "FR"}', 120.0),
        ('{"gco2eq_per_kwh": 120, "at": "2026-07-08T10:59:00Z"}', None),
        ('{"gco2eq_per_kwh": 120, "at": "2026-07-09T12:00:00Z"}', None),
        ('{"gco2eq_per_kwh": 120, "at": "2026-07-08T11:30:00"}', None),
        ('{"gco2eq_per_kwh": -1, "at": "2026-07-08T11:30:00Z"}', None),
        ('{"gco2eq_per_kwh": NaN, "at": "2026-07-08T11:30:00Z"}', None),
        ("120", None),
        ("[" * 100_000, None),
        ("", None),
    ],
)
def test_a_reading_that_is_old_or_malformed_is_unknown(text, known, tmp_path):
    path = tmp_path / "now.json"
    path.write_text(text)
    found = OwnReading(path, max_age_s=3600.0, now=NOON)
    assert found.gco2eq_per_kwh == known
    assert bool(found.fault) == (known is None)


def test_a_reading_that_is_absent_is_unknown(tmp_path):
    found = OwnReading(tmp_path / "now.json", max_age_s=3600.0, now=NOON)
    assert found.gco2eq_per_kwh is None
    assert found.fault == "its own reading cannot be read: No such file or directory"


HOURS = SitePolicy(hours=("22:00-06:00",))


@given(
    hours=st.floats(-1e5, 1e5), speed=st.floats(0.001, 1e5),
    intensity=st.one_of(st.none(), st.floats(0, 100)),
)  # fmt: skip
def test_no_clock_of_a_coordinator_opens_a_sites_hours(hours, speed, intensity):
    clock = GridClock(wall_start=NOON, grid_start=NOON + hours * HOUR, speed=speed)
    changes: dict[str, Any] = {"clock": clock, "valid_until": NOON + 1e5 * HOUR}
    assert code(HOURS, intensity_gco2eq_per_kwh=intensity, **changes) is not None


BOUNDS = st.one_of(st.none(), st.integers(1, 1000))


ASKED = st.builds(
    lambda epochs, steps, **more: Hyperparameters(
        epochs=1 if steps else epochs, steps=steps, **more
    ),
    epochs=st.integers(1, 10_000),
    steps=st.one_of(st.none(), st.integers(1, 1_000_000)),
    batch_size=st.integers(1, 10_000),
    accumulate=st.integers(1, 10_000),
    ditto=st.one_of(st.none(), st.just(0.1)),
)


@given(
    asked=ASKED,
    has=st.integers(1, 100_000),
    bounds=st.builds(SitePolicy, epochs=BOUNDS, steps=BOUNDS, examples=BOUNDS),
)
def test_no_assignment_passes_that_exceeds_a_bound(asked, has, bounds):
    exceeds = [
        most is not None and amount > most
        for amount, most in (
            (asked.epochs, bounds.epochs),
            (asked.expected_steps(has), bounds.steps),
            (asked.examples_trained(has), bounds.examples),
        )
    ]
    found = code(bounds, SiteState(num_examples=has), hyperparameters=asked)
    assert found == ("over_limits" if any(exceeds) else None)


def test_ten_thousand_epochs_of_batches_of_one_are_declined_with_the_remedy():
    endless = Hyperparameters(epochs=10_000, batch_size=1)
    reason = declined(SitePolicy(epochs=20), assignment(hyperparameters=endless), NOON)
    assert reason is not None
    assert reason.text == (
        "asks for 10,000 epochs, and its site allows 20 at most; start a run that asks for less, "
        "or raise epochs under [limits] in the site policy there"
    )


def test_a_model_that_is_too_large_is_not_pulled():
    assert code(SitePolicy(model_mb=5)) is None
    huge = BlobRef(key="model", sha256="0" * 64, nbytes=2**49)
    assert code(SitePolicy(model_mb=5), model=huge) == "over_limits"
    assert code(SitePolicy(model_mb=5), frozen=huge, evaluates=True) == "over_limits"
    assert code(SitePolicy(model_mb=5), correction=huge) == "over_limits"


@pytest.mark.parametrize(
    ("policy", "today", "expected"),
    [
        (SitePolicy(trainings_per_day=2), Today(trainings=1), None),
        (SitePolicy(trainings_per_day=2), Today(trainings=2), "over_daily_trainings"),
        (SitePolicy(trainings_per_day=0), Today(), "over_daily_trainings"),
        (SitePolicy(energy_wh_per_day=10), Today(energy_wh=6, training_wh=4), None),
        (SitePolicy(energy_wh_per_day=10), Today(energy_wh=7, training_wh=4), "over_daily_energy"),
        (SitePolicy(mb_per_day=1), Today(update_nbytes=1_000_001), "over_daily_mb"),
    ],
)
def test_a_site_over_its_day_declines_until_midnight(policy, today, expected):
    reason = declined(policy, assignment(), NOON, site=SiteState(today=today))
    assert (reason.code if reason else None) == expected
    if reason is not None:
        assert reason.not_before == NOON + 12 * HOUR
    assert declined(policy, assignment(evaluates=True), NOON, site=SiteState(today=today)) is None


def test_a_site_scores_no_model_for_nothing():
    assert code(SitePolicy(metrics=()), evaluates=True) == "metrics_stay"
    assert code(SitePolicy(metrics=("accuracy",)), evaluates=True) is None
    assert code(SitePolicy(metrics=())) is None


def test_every_line_of_the_file_is_in_force_under_its_name():
    """A line that only the file knew would do nothing."""
    tables: list[type[BaseModel]] = [PolicyFile, Limits, Leaves, PrivacyTable]
    names = {name for table in tables for name in table.model_fields}
    names -= {"limits", "leaves", "privacy"}
    assert names <= set(SitePolicy.__dataclass_fields__)
