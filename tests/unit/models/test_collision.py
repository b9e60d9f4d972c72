"""A user's modules that have a name of ours: the error names both, and the way out."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from common.errors import WorkloadError
from models.workload import blamed, load_workload


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    return tmp_path


def fault_of(folder: Path, code: str, *, name: str) -> str:
    (folder / f"{name}.py").write_text(code)
    try:
        with pytest.raises(WorkloadError) as caught:
            load_workload(name, allowed=[name])
    finally:
        sys.modules.pop(name, None)
    return str(caught.value)


def make_package(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    (folder / name / "__init__.py").touch()
    (folder / name / "net.py").write_text("Net = 1\n")
    return folder / name


@pytest.mark.parametrize("top", ["models", "tasks", "common", "scheduler", "simulation"])
@pytest.mark.parametrize("code", ["from {}.net import Net", "import {}.net", "from {} import net"])
def test_a_hidden_package_is_named_with_the_way_out(folder: Path, top: str, code: str) -> None:
    __import__(top)  # a process that loads it has done so before any workload
    theirs = make_package(folder, top)
    fault = fault_of(folder, code.format(top), name="collides_one")
    assert f"{top} is a module of Fairwind, which hides yours at {theirs}: rename yours" in fault
    assert f"my_project/{top}" in fault
    assert "python -c" not in fault


@pytest.mark.parametrize("top", ["models", "tasks", "celeryconfig"])
@pytest.mark.parametrize(
    "code", ["from {} import build", "import {0}\nnet = {0}.build()"], ids=["from", "attribute"]
)
def test_a_hidden_file_is_named(folder: Path, top: str, code: str) -> None:
    __import__(top)
    (folder / f"{top}.py").write_text("def build(): ...\n")
    fault = fault_of(folder, code.format(top), name="collides_two")
    assert f"which hides yours at {folder / top}.py" in fault


@pytest.mark.parametrize("workload", ["models.heart", "tasks.heart:workload"])
def test_a_workload_inside_a_hidden_package_is_named(folder: Path, workload: str) -> None:
    top = workload.partition(".")[0]
    __import__(top)
    theirs = make_package(folder, top)
    with pytest.raises(WorkloadError, match=f"There is no module '{top}.heart'") as caught:
        load_workload(workload, allowed=[workload])
    assert f"hides yours at {theirs}" in str(caught.value)
    assert "Install its package" not in str(caught.value)


def test_a_workload_with_a_name_of_ours_is_named(folder: Path) -> None:
    (folder / "models.py").write_text("def model(): ...\n")
    with pytest.raises(WorkloadError, match="does not define model") as caught:
        load_workload("models", allowed=["models"])
    assert f"hides yours at {folder / 'models.py'}" in str(caught.value)


def test_a_hidden_package_that_is_imported_late_is_named(folder: Path) -> None:
    theirs = make_package(folder, "models")
    with pytest.raises(WorkloadError, match="the assignment failed") as caught:  # noqa: SIM117
        with blamed(SimpleNamespace(__name__="late"), "assignment"):
            __import__("models.net")
    assert f"hides yours at {theirs}" in str(caught.value)


def test_any_other_import_that_fails_keeps_its_hint(folder: Path) -> None:
    fault = fault_of(folder, "import no_such_module", name="collides_three")
    assert "No module named 'no_such_module'" in fault
    assert '`python -c "import collides_three"` in this folder shows where' in fault
    assert "hides" not in fault
