from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common import settings as fairwind_settings
from common.errors import WorkloadError
from common.hyperparameters import Hyperparameters
from models.evaluation import evaluate
from models.training import Trainer
from models.version import initial_version
from models.workload import blamed, load_workload
from models.workloads import digits
from models.workloads.partition import dirichlet_split
from tests.known import known

WHOLE = """
from tests.known import known
import torch
def model(): return torch.nn.Linear(1, 1)
def train_data(client_id): return None
def test_data(): return None
loss = torch.nn.functional.mse_loss
def metrics(outputs, targets): return {}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    return tmp_path


def test_module_in_the_working_folder_is_found(folder: Path) -> None:
    (folder / "heart_a.py").write_text(WHOLE)
    assert load_workload("heart_a", allowed=["heart_a"]).test_data() is None


def test_attribute_of_a_module_is_found(folder: Path) -> None:
    (folder / "heart_b.py").write_text("import types\nimport heart_b_parts\nmine = heart_b_parts\n")
    (folder / "heart_b_parts.py").write_text(WHOLE)
    assert load_workload("heart_b:mine", allowed=["heart_b:mine"]).test_data() is None


def test_name_that_is_not_allowed_is_never_imported(folder: Path) -> None:
    (folder / "heart_c.py").write_text("raise SystemExit")
    with pytest.raises(WorkloadError, match="Add it to FAIRWIND_WORKLOADS"):
        load_workload("heart_c", allowed=["digits"])
    assert "heart_c" not in sys.modules


@pytest.mark.parametrize("name", ["heart_missing", "heart_missing.part", "heart_missing:x"])
def test_missing_module_is_named(folder: Path, name: str) -> None:
    with pytest.raises(WorkloadError, match="There is no module 'heart_missing'"):
        load_workload(name, allowed=[name])


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import nowhere_at_all", "ModuleNotFoundError"),
        ("def", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit"),
    ],
)
def test_import_that_raises_is_one_clear_line(folder: Path, source: str, error: str) -> None:
    name = f"heart_{error.lower()}"
    (folder / f"{name}.py").write_text(source)
    with pytest.raises(WorkloadError, match=f"raised {error}.*restart") as caught:
        load_workload(name, allowed=[name])
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_missing_functions_are_listed(folder: Path) -> None:
    (folder / "heart_d.py").write_text("def model(): ...\nloss = 3")
    with pytest.raises(WorkloadError, match="define train_data, test_data, metrics, loss, so"):
        load_workload("heart_d", allowed=["heart_d"])
    with pytest.raises(WorkloadError, match="does not define model"):
        load_workload("heart_d:absent", allowed=["heart_d:absent"])


@pytest.mark.parametrize("name", ["digits", "breast_cancer"])
def test_shipped_workload_trains_and_is_measured(name: str, partition: tuple[str, ...]) -> None:

    workload = load_workload(name, allowed=["digits", "breast_cancer"])
    base = initial_version(workload, 0)
    sizes = [len(workload.train_data(client)) for client in partition]  # type: ignore[arg-type]
    assert sum(sizes) == {"digits": 1437, "breast_cancer": 455}[name]
    largest = partition[sizes.index(max(sizes))]
    result = Trainer(workload, largest).train(
        base, hyperparameters=Hyperparameters(epochs=5), seed=0
    )
    test_data = workload.test_data()
    assert test_data is not None
    before = known(evaluate(workload, workload.model(), base, test_data))
    trained = {key: base[key] + result.delta[key] for key in base}
    after = known(evaluate(workload, workload.model(), trained, test_data))
    assert after["accuracy"] > before["accuracy"]
    assert set(after) == {"loss", "accuracy"} | ({"roc_auc"} if name == "breast_cancer" else set())


def test_client_without_a_share_is_told_where_to_add_it(partition: tuple[str, ...]) -> None:
    workload = load_workload("digits", allowed=["digits"])
    with pytest.raises(WorkloadError, match=r"'eve' has no share.*FAIRWIND_PARTITION"):
        workload.train_data("eve")
    assert torch.equal(
        workload.train_data(partition[0])[0][0], workload.train_data(partition[0])[0][0]
    )


def test_more_clients_than_the_data_feeds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRWIND_PARTITION", ",".join(f"c{i}" for i in range(144)))
    fairwind_settings.load.cache_clear()
    with pytest.raises(WorkloadError, match="Name at most 143"):
        load_workload("digits", allowed=["digits"]).train_data("c0")
    fairwind_settings.load.cache_clear()


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 20), st.integers(0, 5))
def test_split_gives_every_row_once_and_everyone_ten(num_clients: int, seed: int) -> None:
    labels = tuple(i % 7 for i in range(200))
    parts = dirichlet_split(labels, num_clients, seed=seed)
    assert sorted(row for part in parts for row in part.tolist()) == list(range(200))
    assert min(len(part) for part in parts) >= 10


@pytest.mark.parametrize("raised", [ValueError("\ud800"), SystemExit(3), SystemExit("bye")])
def test_what_user_code_raises_is_one_line_that_json_can_hold(raised: BaseException) -> None:
    with pytest.raises(WorkloadError, match=type(raised).__name__) as caught, blamed(digits, "run"):
        raise raised
    assert str(caught.value).encode()


def test_a_signal_that_ends_the_process_is_not_blamed_on_the_workload() -> None:
    with pytest.raises(SystemExit), blamed(digits, "run"):
        raise SystemExit(signal.SIGTERM - 256)


def test_too_little_memory_is_answered_with_what_needs_less() -> None:
    remedy = r"lower --batch-size.*--precision bf16"
    with pytest.raises(WorkloadError, match=remedy), blamed(digits, "assignment"):
        torch.empty(2**60)
