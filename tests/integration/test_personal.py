"""Personal layers and Ditto in a federation of processes: what stays, what leaves, what is kept."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.memory import part
from models.personal import KIND
from models.serialization import read_state
from models.workloads import digits
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.events import RoundClosed, RoundEvaluated, RunOpened, UpdateAccepted
from tests.integration.fleet import CLI, Failpoint, Fleet, refusal
from tests.integration.test_faults import (
    ZONES,
    all_alive,
    assert_as_if_undisturbed,
    sound_fleet,
)

pytestmark = pytest.mark.slow

SITE, ROUNDS = "west", 3
SHARED, HEAD = {"0.weight", "0.bias"}, {"2.weight", "2.bias"}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with sound_fleet(tmp_path_factory.mktemp("personal")) as fleet:
        yield fleet


@pytest.fixture
def fleet(started: Fleet, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    return all_alive(started, monkeypatch)


def begin(fleet: Fleet, run: str, **more: object) -> None:
    options = {"rounds": ROUNDS, "quorum": len(ZONES), "epochs": 2, **more}
    fleet.start_run(run, "digits", **options)


def at_site(fleet: Fleet, *words: str) -> str:
    """Return what a command prints at a site."""
    done = subprocess.run(
        [sys.executable, *CLI, "site", *words], cwd=fleet.local.folder, check=False,
        env=dict(fleet.local.env) | {"FAIRWIND_HOME": str(fleet.local.folder / "sites" / SITE)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def memory_folder(fleet: Fleet, run: str) -> Path:
    return fleet.local.folder / "sites" / SITE / "site" / SITE / "memory" / run


def test_personal_layers_never_leave_and_are_exported_at_the_site(
    fleet: Fleet, tmp_path: Path
) -> None:
    begin(fleet, "heads", personal="2.*")
    assert_as_if_undisturbed(fleet, "heads", tmp_path)
    blobs, ended = Blobs(fleet.home / "blobs"), fleet.run("heads")

    accepted = fleet.payloads(UpdateAccepted, "heads")
    for payload in accepted:
        assert set(load_file(blobs.path(payload.admission.sha256))) == SHARED
    (opened,) = fleet.payloads(RunOpened, "heads")
    first, last = (load_file(blobs.path(v)) for v in (opened.version, ended.version or ""))
    assert all(torch.equal(first[name], last[name]) for name in HEAD)
    assert not any(torch.equal(first[name], last[name]) for name in SHARED)

    state = max(memory_folder(fleet, "heads").glob("0*"))
    own = part(read_state(state), KIND)
    assert set(own) == HEAD
    passed_on = [path for path in fleet.home.rglob("*") if path.is_file()]
    for tensor in own.values():  # no byte of them is anywhere at the coordinator
        needle = tensor.numpy().tobytes()
        assert not any(needle in path.read_bytes() for path in passed_on)

    target = tmp_path / "own.safetensors"
    said = at_site(fleet, "export", "heads", "--out", str(target))
    assert f"Wrote {target}" in said
    assert f"Its own, of round {ROUNDS}: 2." in said
    exported = load_file(target)
    digits.model().load_state_dict(exported)
    assert all(torch.equal(exported[name], own[name]) for name in HEAD)
    assert all(torch.equal(exported[name], last[name]) for name in SHARED)

    shown = fleet.local.fairwind("run", "show", "heads").stdout
    assert "At sites     2.bias, 2.weight; 1,290 of 9,610 values" in shown
    report = fleet.local.fairwind("report").stdout
    assert "Stayed at the sites of heads: 2.bias, 2.weight; 1,290 of 9,610 values." in report
    assert "personal" in at_site(fleet, "status")
    found = fleet.payloads(RoundEvaluated, "heads")
    assert {payload.by for payload in found} == {"sites"}
    assert [payload.sites for payload in found] == [len(ZONES)] * ROUNDS


def test_a_site_that_is_killed_neither_skips_nor_doubles_its_personal_layers(
    fleet: Fleet, tmp_path: Path
) -> None:
    run, failpoint = "killed", Failpoint("site.remembered", tmp_path)
    # As many rounds that the run goes on when its site is killed, also on a busy machine.
    begin(fleet, run, personal="2.*", momentum=0.5, rounds=12)
    fleet.wait_event(RoundClosed, run)
    fleet.restart(SITE, failpoint.env)
    fleet.wait(failpoint.reached, "a site that has kept its layers")
    fleet.restart(SITE)
    assert_as_if_undisturbed(fleet, run, tmp_path)
    accepted = fleet.payloads(UpdateAccepted, run)
    assert all(payload.work.memory and not payload.work.memory_lost for payload in accepted)


def test_a_site_that_lost_its_personal_layers_begins_with_those_of_the_first_version(
    fleet: Fleet,
) -> None:
    fleet.start_run("lost", rounds=12, quorum=len(ZONES), personal="2.*")
    fleet.wait_event(RoundClosed, "lost")
    fleet.kill_site(SITE)
    shutil.rmtree(memory_folder(fleet, "lost"))
    fleet.start_site(SITE)
    assert fleet.wait_ended("lost").end_reason == "rounds"
    accepted = [payload.work for payload in fleet.payloads(UpdateAccepted, "lost")]
    assert [work.memory_lost for work in accepted].count(True) == 1
    shown = fleet.local.fairwind("run", "show", "lost").stdout
    assert "What a site remembered of this run was lost there: west before its update" in shown


def test_ditto_leaves_each_site_a_model_beside_the_global_one(fleet: Fleet, tmp_path: Path) -> None:
    begin(fleet, "beside", ditto=0.1)
    assert_as_if_undisturbed(fleet, "beside", tmp_path)
    target = tmp_path / "own.safetensors"
    at_site(fleet, "export", "beside", "--out", str(target))
    own, version = load_file(target), fleet.run("beside").version
    last = load_file(Blobs(fleet.home / "blobs").path(version or ""))
    digits.model().load_state_dict(own)
    assert not any(torch.equal(own[name], last[name]) for name in last)
    shown = fleet.local.fairwind("run", "show", "beside").stdout
    assert "At sites     a model of each site's own, beside the global one (Ditto" in shown


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--personal=head.*"], "--personal head.* matches nothing that is trained"),
        (["--personal=2"], "write for instance --personal '2.*'"),
        (["--personal=norm"], "--personal norm finds no normalisation layer"),
        (["--personal=2.*", "--update=topk:0.1"], "choose --update mxint8"),
        (["--personal=2.*", "--ditto=0.1"], "choose --personal or --ditto"),
        (["--ditto=0"], "--ditto does not fit"),
        (["--personal=2.*", "--evaluate=both"], "leave out --evaluate"),
    ],
)
def test_what_does_not_fit_is_refused_at_the_start_in_one_line(
    fleet: Fleet, words: list[str], says: str
) -> None:
    done = fleet.local.fairwind("run", "start", "digits", "--rounds=1", "--id=refused", *words)
    assert says in refusal(done)
    assert "refused" not in fleet.state().runs
