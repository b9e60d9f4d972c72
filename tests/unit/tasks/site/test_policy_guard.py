"""What a site does by its policy: bounds on memory and days, what leaves, and who approved what."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.clock import wall_now
from common.hyperparameters import Hyperparameters
from common.messages import Receipt
from tasks.site.site_approvals import MOST_WAITING, SiteApprovals
from tasks.site.what_leaves import bucket
from tasks.site.workload_source import source_hash
from tests.unit.tasks.site.troubled_site import Site

FINE = "tests.fakes.troubled:fine"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, site_policy=tmp_path / "site.toml")


def under(site: Site, policy: str, name: str = "fine", **changes: Any) -> Receipt:
    """Return a site's answer under a policy."""
    (site.folder / "site.toml").write_text(policy)
    return site.answer(name, **changes)


def why(receipt: Receipt) -> tuple[str, str | None]:
    return receipt.outcome, receipt.reason.code if receipt.reason else None


# --- memory -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hungry", "greedy"])
def test_a_training_that_needs_too_much_memory_fails_and_the_site_works_on(site, name):
    before = resource.getrlimit(resource.RLIMIT_DATA)
    receipt = under(site, "[limits]\nmemory_mb = 1000", name)
    assert why(receipt) == ("failed", "too_much_memory")
    assert receipt.reason is not None
    assert receipt.reason.text.startswith("it needed more than 1000 MB, which this site allows")
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert why(under(site, "[limits]\nmemory_mb = 1000", round=2)) == ("trained", None)


def test_what_fails_for_another_reason_is_not_called_too_much_memory(site):
    receipt = under(site, "[limits]\nmemory_mb = 1000", "exits")
    assert why(receipt) == ("failed", "workload_failed")


# --- days ---------------------------------------------------------------------------------------


def test_trainings_are_counted_by_the_day_and_scores_are_none(site):
    policy = "[limits]\ntrainings_per_day = 2"
    for number in (1, 2):
        assert why(under(site, policy, round=number)) == ("trained", None)
    assert why(under(site, policy, round=3)) == ("declined", "over_daily_trainings")
    assert why(under(site, policy, round=3, evaluates=True)) == ("evaluated", None)
    assert why(under(site, "[limits]\ntrainings_per_day = 3", round=3)) == ("trained", None)


def test_a_training_that_failed_counts_and_so_does_its_energy(site):
    policy = "[limits]\ntrainings_per_day = 1"
    assert why(under(site, policy, "exits")) == ("failed", "workload_failed")
    assert why(under(site, policy, round=2)) == ("declined", "over_daily_trainings")


def test_a_site_that_used_its_energy_declines_the_next_training(site):
    first = under(site, "[limits]\nenergy_wh_per_day = 1000")
    assert first.energy is not None
    most = 1.5 * first.energy.energy_wh
    assert why(under(site, f"[limits]\nenergy_wh_per_day = {most!r}", round=2)) == (
        "declined", "over_daily_energy",
    )  # fmt: skip


# --- what leaves --------------------------------------------------------------------------------


@given(st.integers(0, 2**40))
def test_a_bucket_is_a_power_of_two_and_more_than_half_of_the_count(count):
    found = bucket(count)
    assert found & (found - 1) == 0
    assert found <= count < 2 * found or count == found == 0


def test_metrics_that_the_policy_does_not_name_stay(site):
    receipt = under(site, '[leaves]\nmetrics = ["accuracy"]')
    assert receipt.metrics == {"accuracy": 0.5}
    assert (receipt.loss, receipt.utility, receipt.flops_per_example) == (None, None, None)
    receipt = under(site, '[leaves]\nmetrics = ["loss"]', round=2)
    assert receipt.loss is not None
    assert receipt.metrics.keys() <= {"loss"}


def test_bucketed_counts_give_no_count_away(site):
    exact = under(site, "", "sixty")
    bucketed = under(site, '[leaves]\ncounts = "bucketed"', "sixty", round=2)
    assert (exact.num_examples, exact.num_held_out, exact.num_steps) == (60, 60, 2)
    assert (bucketed.num_examples, bucketed.num_held_out) == (32, 32)
    assert bucketed.num_steps is None
    assert exact.flops_per_example == bucketed.flops_per_example is not None
    assert exact.utility is not None
    assert bucketed.utility is not None
    assert bucketed.utility < exact.utility
    steps = Hyperparameters(steps=3)
    named = under(site, '[leaves]\ncounts = "bucketed"', "sixty", round=3, hyperparameters=steps)
    assert named.num_steps == 3


def test_an_update_kept_for_a_run_that_is_no_longer_allowed_does_not_leave(site):
    assert why(under(site, "")) == ("trained", None)
    (site.folder / "wire" / "update~a~r~1").unlink()
    receipt = under(site, "runs = []", attempt=1)
    assert (why(receipt), receipt.update) == (("declined", "run_not_allowed"), None)
    assert not (site.folder / "wire" / "update~a~r~1").exists()


def test_every_answer_names_the_version_of_its_policy(site):
    versions = [
        under(site, text, round=number).policy
        for number, text in enumerate(("", "runs = []", "[limits]\nepochs = 1"), start=1)
    ]
    assert None not in versions
    assert len(set(versions)) == 3
    assert [entry.policy for entry in site.noted()] == versions
    unreadable = under(site, "[", round=4)
    assert (why(unreadable), unreadable.policy) == (("declined", "policy_unreadable"), None)


# --- sources and approvals ----------------------------------------------------------------------


def test_more_steps_than_allowed_are_declined_before_anything_is_trained(site):
    receipt = under(site, "[limits]\nsteps = 1")  # 64 examples make two batches
    assert why(receipt) == ("declined", "over_limits")
    assert why(under(site, "[limits]\nsteps = 2")) == ("trained", None)


def test_the_hash_of_a_workload_changes_with_its_package_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "hearts"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "heart.py").write_text("x = 1")
    (tmp_path / "alone.py").write_text("y = 1")
    both = ("hearts.heart:workload", "alone")
    before = [source_hash(name, both) for name in both]
    assert None not in before
    (package / "data.csv").write_text("1,2")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "heart.cpython-311.pyc").write_bytes(b"1")
    assert [source_hash(name, both) for name in both] == before
    (package / "helper.py").write_text("z = 1")
    changed = [source_hash(name, both) for name in both]
    assert changed[0] != before[0]
    assert changed[1] == before[1]
    shutil.rmtree(package)
    assert source_hash(both[0], both) is None


def test_shipped_workloads_and_flower_apps_have_a_hash(tmp_path):
    app = tmp_path / "app"
    app.mkdir()
    (app / "pyproject.toml").write_text("[tool.flwr.app]")
    first = source_hash("flower:app", (f"flower:{app}",))
    (app / "client.py").write_text("x = 1")
    assert None not in {first, source_hash("digits", ())}
    assert first != source_hash("flower:app", (f"flower:{app}",))
    assert source_hash("digits", ()) != source_hash("breast_cancer", ())
    assert source_hash("no_such_module", ()) is None
    assert source_hash("flower:none", ()) is None


def test_a_new_workload_waits_until_its_source_is_approved(site):
    site.executor.warm_up()
    first = under(site, 'approve = "first"')
    assert why(first) == ("declined", "awaits_approval")
    approvals = SiteApprovals(site.folder / "home" / "site" / "a")
    (waits,) = approvals.waiting()
    assert (waits.workload, waits.run) == (FINE, "r")
    assert approvals.approve(FINE, waits.source, now=wall_now())
    assert not approvals.approve(FINE, waits.source, now=wall_now())
    assert approvals.waiting() == []
    assert why(under(site, 'approve = "first"', attempt=1)) == ("trained", None)
    # A hash in the file is an approval, too, and another one is none.
    other = "sha256:" + "0" * 64
    listed = f'approve = "first"\n[workloads]\n"{FINE}" = "{{}}"'
    assert why(under(site, listed.format(waits.source), round=2)) == ("trained", None)
    assert why(under(site, listed.format(other), round=3)) == ("declined", "workload_changed")


def test_a_coordinator_fills_no_disk_with_names_that_wait(tmp_path):
    approvals = SiteApprovals(tmp_path)
    for number in range(MOST_WAITING + 5):
        approvals.note(f"w{number}", "sha256:0", run="r", now=wall_now())
        approvals.note(f"w{number}", "sha256:1", run="r", now=wall_now())
    assert len(approvals.waiting()) == MOST_WAITING
    assert {each.source for each in approvals.waiting()} == {"sha256:1"}


def test_approvals_that_cannot_be_read_approve_nothing(tmp_path):
    approvals = SiteApprovals(tmp_path)
    approvals.approve("w", "sha256:0", now=wall_now())
    assert approvals.approved("w", "sha256:0")
    (tmp_path / "approvals.json").write_text(json.dumps({"approved": "all"}))
    assert not approvals.approved("w", "sha256:0")
