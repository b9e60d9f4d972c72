"""The example of a user's own workload runs as docs/workload.md says, in real processes."""

from __future__ import annotations

import ast
import json
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from common.hyperparameters import Hyperparameters
from models.training import Trainer
from models.update import model_state
from models.workload import load_workload
from tasks.local.federation import PROJECT, LocalFederation

EXAMPLE = PROJECT / "examples" / "heart"
PAGE = PROJECT / "docs" / "workload.md"


def code_block(marker: str) -> str:
    """Return the one Python block of the page that holds `marker`."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (found,) = [block for block in blocks if marker in block]
    return str(found)


def shown_command() -> list[str]:
    """Return the words of the page's `fairwind run start`, without "fairwind"."""
    (line,) = re.findall(r"^fairwind (run start heart .*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    return str(line).split()


@pytest.fixture
def heart(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The example's module, imported as a user would."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    before = set(sys.modules)
    yield import_module("heart")
    for name in set(sys.modules) - before:
        if name.startswith("heart"):
            del sys.modules[name]


def test_hospitals_differ_and_stay_the_same_between_calls(heart: ModuleType) -> None:
    lyon, again, oslo = (heart.train_data(name).tensors for name in ("lyon", "lyon", "oslo"))
    assert lyon[0].equal(again[0])
    assert lyon[1].equal(again[1])
    assert (lyon[0].mean(dim=0) - oslo[0].mean(dim=0)).abs().max() > 0.1
    for features, ill in (lyon, oslo, heart.test_data().tensors):
        assert features.shape == (len(ill), len(heart.FEATURES))
        assert 0.2 < ill.mean() < 0.7


def test_area_under_the_curve_counts_ties_by_half(heart: ModuleType) -> None:
    import torch  # noqa: PLC0415 - with the module under test

    # Of the pairs (ill, well), 0.9 beats both, 0.4 beats 0.1 and ties with 0.4: 3.5 of 4.
    scores, targets = torch.tensor([0.9, 0.4, 0.4, 0.1]), torch.tensor([1.0, 1.0, 0.0, 0.0])
    assert heart.roc_auc(scores, targets) == pytest.approx(3.5 / 4)


def test_example_trains_at_two_sites_and_loads_without_us(
    tmp_path: Path,
    heart: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "federation"
    folder.mkdir()
    shutil.copy(EXAMPLE / "heart.py", folder)
    run = _train(folder)

    ill = heart.test_data().tensors[1]
    majority = max(ill.mean().item(), 1 - ill.mean().item())
    last = run["rounds"][-1]["metrics"]
    assert run["run"]["rounds_done"] == 3
    assert last["accuracy"] > majority + 0.1
    assert last["roc_auc"] > 0.8

    monkeypatch.chdir(folder / "home" / "runs" / "heart-1")
    loading = code_block("best.safetensors")
    assert len([line for line in loading.splitlines() if line]) == 5
    capsys.readouterr()
    exec(loading, {})  # noqa: S102 - the page's own words
    printed = ast.literal_eval(capsys.readouterr().out)
    assert printed["roc_auc"] == pytest.approx(max(r["value"] for r in run["rounds"]))


def _train(folder: Path) -> dict[str, Any]:
    zones = {"lyon": "FR", "oslo": "NO-NO1"}
    settings = {
        "FAIRWIND_WORKLOADS": "heart",
        "FAIRWIND_SIGNAL": "static",
        "FAIRWIND_TICK_S": "1",
        "FAIRWIND_HEARTBEAT_S": "1",
    }
    with LocalFederation(folder, zones, settings=settings) as federation:
        for client, zone in zones.items():
            assert (
                federation.fairwind(
                    "enroll", client, "--zone", zone, "--key", federation.site_key(client)
                ).returncode
                == 0
            )
        federation.start_coordinator()
        federation.start_beat()
        for client in zones:
            federation.start_site(client)
        federation.wait_for(lambda: _alive(federation) == set(zones), 60, "both sites")
        started = federation.fairwind(*shown_command())
        assert started.returncode == 0, started.stderr
        federation.wait_for(lambda: _ended(federation), 60, "the end of the run")
        shown: dict[str, Any] = _json(federation, "run", "show", "heart-1")
        _repeat(federation, shown["spec"])
        return shown


def _repeat(federation: LocalFederation, spec: dict[str, Any]) -> None:
    """Start the run again from the example's file, and from the one that the first run prints."""
    printed = federation.folder / "printed.toml"
    printed.write_text(federation.fairwind("run", "show", "heart-1", "--toml").stdout, "utf-8")
    for run, path in (("heart-2", EXAMPLE / "run.toml"), ("heart-3", printed)):
        started = federation.fairwind("run", "start", "--file", str(path))
        assert f"{run} has begun" in started.stdout, started.stderr
        assert _json(federation, "run", "show", run)["spec"] == {**spec, "id": run}


def _json(federation: LocalFederation, *words: str) -> Any:
    return json.loads(federation.fairwind(*words, "--json").stdout)


def _alive(federation: LocalFederation) -> set[str]:
    absent = ("never seen", "silent")
    return {c["client"] for c in _json(federation, "clients") if c["state"] not in absent}


def _ended(federation: LocalFederation) -> bool:
    return bool(_json(federation, "status")["run"]["status"] == "ended")


def test_own_loop_of_the_example_goes_on_with_the_momentum_it_kept(heart: ModuleType) -> None:
    workload = load_workload("own_loop", allowed=["own_loop"])
    trainer, base = Trainer(workload, "lyon"), model_state(heart.model())
    asked = Hyperparameters(epochs=2, batch_size=50)

    first = trainer.train(base, hyperparameters=asked, seed=1)
    again = trainer.train(base, hyperparameters=asked, seed=1, memory=first.memory)

    assert first.num_steps == 2 * -(-trainer.num_examples // 50)
    assert 0 < first.loss < 1
    assert not any(first.delta[name].equal(again.delta[name]) for name in first.delta)


def test_optional_functions_are_used_where_they_exist(
    heart: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "heart_in_private.py").write_text(code_block("held_out_data"))
    monkeypatch.syspath_prepend(str(tmp_path))
    workload = load_workload("heart_in_private", allowed=["heart_in_private"])
    base = model_state(heart.model())

    result = Trainer(workload, "lyon").train(
        base, hyperparameters=Hyperparameters(), seed=1, scores=True
    )

    assert result.num_held_out == 100
    assert set(result.metrics) == {"loss", "accuracy", "roc_auc"}
    plain = Trainer(heart, "lyon").train(base, hyperparameters=Hyperparameters(), seed=1)
    assert not all(result.delta[name].equal(plain.delta[name]) for name in plain.delta)
