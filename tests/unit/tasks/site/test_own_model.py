"""A site's own model: which states it is made of, and how it is exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file

from common.errors import FederationError
from common.hyperparameters import Hyperparameters
from common.messages import MemoryRef, Receipt
from common.settings import load
from models.workloads import digits
from tasks.cli import fairwind
from tasks.site.own_model import export
from tests.unit.tasks.site.test_executor_memory import Site, left_by

HEAD = {"2.weight", "2.bias"}


class HeadSite(Site):
    """A site that keeps the last layer of digits, or with Ditto a model beside the global one."""

    def work(self, round_number: int, memory: MemoryRef | None = None, **more: Any) -> Receipt:
        usual = {"encoding": "float32", "error_feedback": False, "personal": ("2.*",)}
        return self.answer(round_number, memory, **usual | more)

    def export(self, folder: Path) -> tuple[Any, dict[str, torch.Tensor]]:
        done = export(self.memory, "r", folder / "own.safetensors", frozen=folder / "frozen")
        return done, load_file(done.path)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HeadSite:
    monkeypatch.setenv("FAIRWIND_PARTITION", "a,b")
    load.cache_clear()
    return HeadSite(tmp_path)


def state_of(site: HeadSite, receipt: Receipt) -> dict[str, torch.Tensor]:
    ref = left_by(receipt)
    return load_file(site.memory.path("r", ref.round, ref.sha256))


def test_what_is_exported_is_the_state_that_counts_over_the_pulled_version(
    site: HeadSite, tmp_path: Path
) -> None:
    first = site.work(1)
    newer = site.work(2, left_by(first))
    done, model = site.export(tmp_path)
    assert (done.own_round, done.counts, done.newer_round) == (1, True, 2)
    assert set(done.own) == HEAD
    digits.model().load_state_dict(model)
    counted, not_yet = state_of(site, first), state_of(site, newer)
    for name in HEAD:
        assert torch.equal(model[name], counted[f"personal/{name}"])
        assert not torch.equal(model[name], not_yet[f"personal/{name}"])


def test_an_assignment_to_evaluate_says_that_the_last_state_counts(
    site: HeadSite, tmp_path: Path
) -> None:
    first = site.work(1)
    assert site.export(tmp_path)[0].counts is False
    assert site.work(2, left_by(first), evaluates=True, scores=True).outcome == "evaluated"
    done, _ = site.export(tmp_path)
    assert (done.own_round, done.counts, done.newer_round) == (1, True, None)


def test_no_update_holds_what_stays(site: HeadSite) -> None:
    assert site.work(1).update is not None
    sent = load_file(site.settings.folder / "outbox" / "a" / "update.safetensors")
    assert set(sent) == {"0.weight", "0.bias"}


def test_what_a_site_keeps_and_what_encoding_lost_are_one_state(site: HeadSite) -> None:
    receipt = site.work(1, encoding="mxint8", error_feedback=True)
    kinds = {name.partition("/")[0] for name in state_of(site, receipt)}
    assert kinds == {"personal", "error_feedback"}


def test_own_layers_do_not_grow_stale(site: HeadSite) -> None:
    first = site.work(1)
    late = state_of(site, site.work(40, left_by(first)))
    site.forget_answer()
    anew = state_of(site, site.work(40))
    assert any(not torch.equal(late[name], anew[name]) for name in late)


def test_with_ditto_the_whole_model_is_the_site_s_own(site: HeadSite, tmp_path: Path) -> None:
    work = site.work(1, run="d", personal=(), hyperparameters=Hyperparameters(ditto=0.1))
    assert work.outcome == "trained"
    done = export(site.memory, "d", tmp_path / "d.safetensors", frozen=tmp_path)
    assert set(done.own) == set(digits.model().state_dict())
    digits.model().load_state_dict(load_file(done.path))


def test_a_run_without_an_own_model_is_refused_and_others_are_named(
    site: HeadSite, tmp_path: Path
) -> None:
    with pytest.raises(FederationError, match="--personal or --ditto"):
        export(site.memory, "x", tmp_path / "x", frozen=tmp_path)
    site.work(1)
    with pytest.raises(FederationError, match="It has one of r"):
        export(site.memory, "x", tmp_path / "x", frozen=tmp_path)


def test_a_state_that_was_altered_is_not_exported(site: HeadSite, tmp_path: Path) -> None:
    ref = left_by(site.work(1))
    with site.memory.path("r", ref.round, ref.sha256).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    with pytest.raises(FederationError, match="is not whole on its disk"):
        site.export(tmp_path)
    assert not (tmp_path / "own.safetensors").exists()


def command(site: HeadSite, *words: str) -> Result:
    load.cache_clear()
    env = {"FAIRWIND_HOME": str(site.settings.folder)}
    return CliRunner(env=env).invoke(fairwind, ["site", *words])


def test_the_command_says_what_it_wrote_and_what_is_not_known(
    site: HeadSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    site.work(1)
    said = command(site, "export", "r").output
    assert "Wrote r-a.safetensors: the version that a pulled for round 1" in said
    assert "Its own, of round 1: 2." in said
    assert "Whether that work counted is not known here" in said
    assert (tmp_path / "r-a.safetensors").exists()
    assert "kept until" in command(site, "status").output
