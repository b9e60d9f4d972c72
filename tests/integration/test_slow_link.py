"""A site behind a slow link that breaks: its round takes longer, and loses nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest

from benchmarks.link import Link
from tasks.local.federation import site_name
from tests.integration.fleet import Fleet, assert_accounted_for, running_fleet

pytestmark = pytest.mark.slow

WORKLOAD = """
import torch

loss = torch.nn.functional.mse_loss


def model():
    return torch.nn.Linear(512, 512)


def train_data(client_id):
    features = torch.arange(64 * 512).reshape(64, 512) / 32768
    return torch.utils.data.TensorDataset(features, features)


def test_data():
    return train_data("")


def metrics(outputs, targets):
    return {"error": (outputs - targets).abs().mean().item()}
"""
NBYTES = 512 * 513 * 4
BIT_PER_S = 2e6
CUT_S = 6.0
"""Longer than a site is silent before it counts as such."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("slow-link") / "federation"
    folder.mkdir()
    (folder / "wide.py").write_text(WORKLOAD)
    zones = {"near": "FR", "far": "FR"}
    settings = {"FAIRWIND_WORKLOADS": "wide"}
    with running_fleet(folder, zones, settings=settings) as started:
        sys.path.append(str(folder))  # a replay in this process needs it, too
        yield started
        sys.path.remove(str(folder))


@pytest.fixture
def link(fleet: Fleet) -> Iterator[Link]:
    """The link of the site that is far away."""
    assert fleet.local.redis is not None
    with Link(fleet.local.redis.port, bit_per_s=BIT_PER_S, delay_s=0.05) as slow:
        restart_far(fleet, slow)
        yield slow
        fleet.kill_site("far")


def restart_far(fleet: Fleet, link: Link) -> None:
    if site_name("far") in fleet.local.processes.names:
        fleet.kill_site("far")
    fleet.start_site("far", {"FAIRWIND_REDIS_URL": f"redis://127.0.0.1:{link.port}/0"})


def test_a_cut_costs_no_attempt_and_no_bytes_twice(fleet, link):
    fleet.start_run("cut", "wide", rounds=1, quorum=2, metric="loss")
    for way in (link.down, link.up):  # the model, and then the update
        before = way.nbytes
        fleet.wait(lambda b=before, w=way: w.nbytes - b > NBYTES / 2, "half of the bytes")
        link.cut()
        time.sleep(CUT_S)
        link.mend()
    ended = fleet.wait_ended("cut")
    assert [closed.cohort for closed in ended.closed] == [("far", "near")]
    assert fleet.events("assignment.reissued", "cut") == []
    assert link.down.nbytes < 1.5 * NBYTES
    assert link.up.nbytes < 1.5 * NBYTES
    assert_accounted_for(fleet, "cut")


def test_a_worker_that_is_killed_goes_on_with_what_it_had(fleet, link):
    fleet.start_run("killed", "wide", rounds=1, quorum=2, metric="loss")
    before = link.up.nbytes
    fleet.wait(lambda: link.up.nbytes - before > NBYTES / 2, "half of the update")
    restart_far(fleet, link)
    ended = fleet.wait_ended("killed")
    assert [closed.cohort for closed in ended.closed] == [("far", "near")]
    assert link.up.nbytes - before < 1.5 * NBYTES
    assert_accounted_for(fleet, "killed")
