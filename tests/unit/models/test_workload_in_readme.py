"""The ten lines of a workload that the README shows train a model."""

import re
from pathlib import Path

import torch

from common.hyperparameters import Hyperparameters
from models.evaluation import evaluate
from models.training import Trainer
from models.update import model_state
from models.workload import load_workload
from tests.known import known

README = Path(__file__).parents[3] / "README.md"


def test_the_workload_in_the_readme_trains(tmp_path, monkeypatch):
    (shown,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert len([line for line in shown.splitlines() if line]) == 10
    (tmp_path / "heart_in_readme.py").write_text(shown)
    torch.manual_seed(1)
    features = torch.randn(200, 8)
    for name in ("patients.pt", "reference.pt"):
        torch.save((features, (features[:, 0] > 0).float()), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    heart = load_workload("heart_in_readme", allowed=["heart_in_readme"])
    base = model_state(heart.model())
    result = Trainer(heart, "lyon").train(base, hyperparameters=Hyperparameters(epochs=5), seed=1)
    trained = {name: base[name] + delta for name, delta in result.delta.items()}
    reference = heart.test_data()

    assert result.num_examples == 200
    assert reference is not None
    assert known(evaluate(heart, heart.model(), trained, reference))["accuracy"] > 0.9
