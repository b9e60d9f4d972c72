"""What a site's administrator reads of its policy, and what the preflight check says of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from common import settings
from common.clock import wall_now
from common.settings import Settings
from tasks.cli import fairwind
from tasks.cli.preflight_site import check_site_policy
from tasks.site.site_approvals import SiteApprovals


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of a site whose worker has run before it could say with which settings."""
    (tmp_path / "site" / "lyon").mkdir(parents=True)
    return tmp_path


def run(home: Path, *args: str, exit_code: int = 0, **variables: Any) -> str:
    settings.load.cache_clear()
    env = {"FAIRWIND_HOME": str(home), **{f"FAIRWIND_{k}": v for k, v in variables.items()}}
    done = CliRunner(env=env).invoke(fairwind, ["site", *args])
    settings.load.cache_clear()
    assert done.exit_code == exit_code, done.output
    return done.output


def policy(home: Path, text: str, **variables: Any) -> dict[str, Any]:
    (home / "site.toml").write_text(text)
    path = str(home / "site.toml")
    found: dict[str, Any] = json.loads(run(home, "policy", "--json", SITE_POLICY=path, **variables))
    return found


def test_each_line_says_where_it_comes_from(home):
    found = policy(
        home, "[limits]\nepochs = 3", SITE_WINDOWS="22:00-06:00", SITE_MAX_TRAINING_S="2h"
    )
    lines = found["policy"]
    assert lines["epochs"] == {"value": 3, "from": "policy file"}
    assert lines["hours"] == {"value": ["22:00-06:00"], "from": "environment"}
    assert lines["training_s"] == {"value": 7200.0, "from": "environment"}
    assert lines["steps"] == {"value": None, "from": "default"}
    assert (found["fault"], len(found["version"])) == (None, 12)


def test_a_reader_that_has_seen_enough_ends_a_command_quietly(home):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", "from fairwind_start import main; main()", "site", "policy"],
        stdout=write, stderr=subprocess.PIPE, check=False,
        env=os.environ | {"FAIRWIND_HOME": str(home)},
    )  # fmt: skip
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_file_with_a_fault_is_shown_with_it(home):
    found = policy(home, "[limits]\nepochs = 0")
    assert "limits.epochs in line 2" in found["fault"]
    assert found["version"] is None
    text = run(home, "policy", SITE_POLICY=str(home / "site.toml"))
    assert text.startswith("The site policy ")


def test_a_ceiling_without_a_reading_is_called_advisory(home):
    assert "advisory" in run(home, "policy", SITE_CEILING_GCO2EQ_PER_KWH="300")
    assert "so the ceiling is advisory" in run(home, "status", SITE_CEILING_GCO2EQ_PER_KWH="300")
    own = 'reading = "/var/lib/now.json"\nceiling_gco2eq_per_kwh = 300'
    (home / "site.toml").write_text(own)
    text = run(home, "status", SITE_POLICY=str(home / "site.toml"))
    assert "the site's own, /var/lib/now.json" in text
    assert "advisory" not in text


def test_what_waits_is_listed_and_approved_by_its_source(home):
    assert run(home, "waiting") == "Nothing waits for approval.\n"
    source = run(home, "hash", "digits").strip()
    approvals = SiteApprovals(home / "site" / "lyon")
    approvals.note("digits", source, run="heart-1", now=wall_now())
    listed = run(home, "waiting")
    assert source in listed
    assert listed.endswith("To approve one: fairwind site approve digits\n")
    assert "is approved at lyon" in run(home, "approve", "digits")
    assert "was approved already" in run(home, "approve", "digits")
    assert approvals.approved("digits", source)


def test_a_workload_that_is_not_found_is_not_approved(home):
    text = run(home, "approve", "no_such_module", exit_code=1)
    assert "The source of the workload 'no_such_module' is not found from here" in text


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, []),
        ({"site_ceiling_gco2eq_per_kwh": 300.0}, ["ok"]),
        ({"site_clock": "assigned"}, ["warning"]),
        ({"site_policy": Path("/no/such/site.toml")}, ["error"]),
    ],
)
def test_the_preflight_check_says_what_a_policy_leaves_open(changes, kinds):
    assert [finding.level for finding in check_site_policy(Settings(**changes))] == kinds
