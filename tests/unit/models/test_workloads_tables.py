"""The workloads whose data comes with scikit-learn learn; a data folder that is missing is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import WorkloadError
from models.workload import load_workload
from models.workloads import pneumoniamnist, tcga_brca


@pytest.mark.parametrize(("name", "num_examples"), [("digits", 1437), ("breast_cancer", 455)])
def test_it_learns(learn, name, num_examples):
    workload = load_workload(name, allowed=[name])
    assert len(workload.train_examples()) == num_examples  # type: ignore[attr-defined]
    assert learn(workload, epochs=10, learning_rate=0.3)["accuracy"] > 0.95


@pytest.mark.parametrize("workload", [pneumoniamnist, tcga_brca])
@pytest.mark.parametrize("part", ["train_examples", "test_data"])
def test_a_missing_data_folder_is_told(
    workload, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = workload.__name__.rpartition(".")[2]
    monkeypatch.delenv("FAIRWIND_DATA", raising=False)
    with pytest.raises(WorkloadError, match=rf"no folder.*{name} has no data. Set it to.*data\.md"):
        getattr(workload, part)()
    monkeypatch.setenv("FAIRWIND_DATA", str(tmp_path))
    with pytest.raises(WorkloadError, match=rf"no file {tmp_path}.*{name} has no data.*correct"):
        getattr(workload, part)()
