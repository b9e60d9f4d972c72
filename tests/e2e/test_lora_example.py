"""The example of LoRA runs as docs/workload.md says; its frozen part travels to each site once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file

from common.keys import blob_key, redis_key
from common.settings import Settings
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.events import RunOpened, UpdateAccepted
from tasks.coordinator.replay import replay_run
from tasks.local.federation import PROJECT, site_name
from tests.integration.fleet import Fleet, assert_accounted_for, running_fleet

EXAMPLE = PROJECT / "examples" / "lora" / "lora.py"
SITES = {"north": "NO-NO1", "west": "FR"}
TRAINED = {"0.b", "2.b", "4.b"}
OPTIONS = {"epochs": 3, "optimizer": "adam", "learning_rate": 0.003}


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A federation of the example, its base pretrained as the page says."""
    folder = tmp_path_factory.mktemp("lora") / "federation"
    folder.mkdir()
    shutil.copy(EXAMPLE, folder)
    words = [sys.executable, "lora.py"]
    subprocess.run(words, cwd=folder, check=True, env={"PYTHONPATH": str(PROJECT)})
    with (
        pytest.MonkeyPatch.context() as patch,
        running_fleet(folder, SITES, settings={"FAIRWIND_WORKLOADS": "lora"}) as started,
    ):
        patch.syspath_prepend(str(folder))
        patch.chdir(folder)
        yield started


def pulled_nbytes(fleet: Fleet, run: str) -> dict[tuple[int, str | None], int]:
    """Return what each site pulled, by round and client."""
    accepted = (event for event in fleet.events("update.accepted", run))
    return {
        (event.round or 0, event.client): event.payload.work.pulled_nbytes
        for event in accepted
        if isinstance(event.payload, UpdateAccepted)
    }


def cached(fleet: Fleet, client: str, sha256: str) -> Path:
    return fleet.local.folder / "sites" / client / "frozen" / f"{sha256}.safetensors"


def test_only_what_is_trained_travels_and_the_rest_once_for_all_runs(lora: Fleet) -> None:
    lora.start_run("first", "lora", rounds=2, **OPTIONS)
    first = lora.wait_ended("first")
    assert first.frozen is not None
    blobs = Blobs(lora.home / "blobs")
    part = blobs.nbytes(first.frozen)
    assert {set(load_file(blobs.path(c.version))) == TRAINED for c in first.closed} == {True}
    version = blobs.nbytes(first.closed[0].base_version)
    assert version < part / 10
    pulled = pulled_nbytes(lora, "first")
    assert pulled == {
        (1, "north"): version + part, (1, "west"): version + part,
        (2, "north"): version, (2, "west"): version,
    }  # fmt: skip
    assert not lora.redis.exists(redis_key("blob", blob_key("frozen", first.frozen)))
    assert_accounted_for(lora, "first")

    lora.start_run("second", "lora", rounds=1, init_from="first", **OPTIONS)
    second = lora.wait_ended("second")
    assert (second.frozen, second.closed[0].base_version) == (first.frozen, first.version)
    assert set(pulled_nbytes(lora, "second").values()) == {version}
    (opened,) = lora.payloads(RunOpened, "second")
    assert opened.evaluation == first.closed[-1].evaluation
    assert_accounted_for(lora, "second")


def test_exports_hold_the_whole_model_which_has_learnt(lora: Fleet) -> None:
    run = lora.run("first")
    exported = load_file(lora.home / "runs" / "first" / "last.safetensors")
    base = load_file("base.safetensors")
    assert exported["0.linear.weight"].equal(base["0.weight"])
    assert exported["2.b"].any()
    assert len(exported) == 3 * 4  # of each layer W, its bias, A and B
    assert run.first_evaluation is not None
    before, after = (run.first_evaluation.metrics, run.closed[-1].metrics or {})
    assert (after["accuracy"] or 0) > (before["accuracy"] or 1) + 0.2
    given = lora.home / "runs" / "first" / "last.safetensors"
    lora.start_run("from-file", "lora", rounds=1, init_from=given, **OPTIONS)
    assert lora.wait_ended("from-file").closed[0].base_version == run.version


def test_a_frozen_part_that_is_lost_or_altered_anywhere_is_found_and_replaced(lora: Fleet) -> None:
    run = lora.run("first")
    assert run.frozen is not None
    here, there = cached(lora, "north", run.frozen), cached(lora, "west", run.frozen)
    here.unlink()
    whole = there.read_bytes()
    there.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    lora.start_run("third", "lora", rounds=1, **OPTIONS)
    lora.wait_ended("third")
    assert here.read_bytes() == there.read_bytes() == whole
    assert "frozen_part.altered" in lora.log(site_name("west"))
    assert_accounted_for(lora, "third")

    blobs = Blobs(lora.home / "blobs")
    blobs.remove(run.frozen)
    verified = lora.local.fairwind("ledger", "verify")
    settings = Settings(home=lora.home, workloads=("lora",))
    lines = [(r.round, r.same, r.put_back) for r in replay_run(run, settings, repair=True)]
    assert lines == [(0, True, True), (1, True, False), (2, True, False)], verified.stdout
    assert blobs.fault(run.frozen) is None
