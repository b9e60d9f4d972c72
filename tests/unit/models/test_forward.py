"""What a model takes of a batch, and whose loss counts."""

from __future__ import annotations

from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from common import settings
from common.errors import WorkloadError
from common.hyperparameters import Hyperparameters
from models.batched import Cohort
from models.evaluation import evaluate
from models.forward import forward, loss_of
from models.training import Trainer
from models.version import initial_version
from tests.known import known

TOKENS = [[1], [2, 2, 2, 2, 2], [1, 1, 3], [2, 3], [1, 1, 1, 1], [2], [3, 1]]
LABELS = [0, 1, 0, 1, 0, 1, 0]


class Words(torch.utils.data.Dataset[dict[str, Any]]):
    """Texts of different lengths, as mappings."""

    def __len__(self) -> int:
        return len(TOKENS)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"input_ids": TOKENS[row], "label": LABELS[row]}


def collate(items: list[dict[str, Any]]) -> dict[str, Tensor]:
    width = max(len(item["input_ids"]) for item in items)
    ids = [item["input_ids"] + [0] * (width - len(item["input_ids"])) for item in items]
    return {
        "input_ids": torch.tensor(ids),
        "attention_mask": (torch.tensor(ids) > 0).long(),
        "labels": torch.tensor([item["label"] for item in items]),
    }


class Classifier(nn.Module):
    """Returns a mapping with its own loss, as transformers' models do."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(4, 8)
        self.head = nn.Linear(8, 2)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None
    ) -> dict[str, Any]:
        mask = attention_mask.unsqueeze(-1)
        mean = (self.embedding(input_ids) * mask).sum(dim=1) / mask.sum(dim=1)
        logits = self.head(mean)
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return OrderedDict(loss=loss, logits=logits, cache="not a tensor")


def accuracy(outputs: Any, targets: Tensor) -> dict[str, float]:
    return {"accuracy": (outputs["logits"].argmax(dim=1) == targets).float().mean().item()}


@pytest.fixture
def text() -> SimpleNamespace:
    """A workload without a loss of its own, whose items are mappings of different lengths."""
    return SimpleNamespace(
        model=Classifier,
        train_data=lambda _client: Words(),
        test_data=Words,
        collate=collate,
        metrics=accuracy,
    )


def test_mappings_of_variable_length_train_and_are_scored_with_the_models_own_loss(
    text: Any,
) -> None:
    base = initial_version(text, 1)
    asked = Hyperparameters(epochs=40, batch_size=3, learning_rate=0.5)
    before = known(evaluate(text, text.model(), base, Words()))
    result = Trainer(text, "a").train(base, hyperparameters=asked, seed=1)
    after = known(
        evaluate(text, text.model(), {n: base[n] + result.delta[n] for n in base}, Words())
    )
    assert result.num_examples == 7
    assert set(after) == {"loss", "accuracy"}
    assert after["loss"] < before["loss"]
    assert after["accuracy"] > 0.8


def test_the_models_own_loss_of_a_whole_set_is_the_mean_over_its_examples(
    text: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = initial_version(text, 1)
    whole = known(evaluate(text, text.model(), base, Words()))
    monkeypatch.setenv("FAIRWIND_EVALUATION_BATCH_SIZE", "2")  # batches of 2, 2 and 3
    settings.load.cache_clear()
    assert known(evaluate(text, text.model(), base, Words())) == pytest.approx(whole, rel=1e-6)
    settings.load.cache_clear()


def test_mapping_without_a_parameter_for_its_targets_keeps_them_back() -> None:
    class Doubled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.tensor(2.0))

        def forward(self, image: Tensor) -> Tensor:
            return image * self.factor

    outputs, targets = forward(Doubled(), {"image": torch.ones(2), "label": torch.zeros(2)})
    assert outputs.tolist() == [2.0, 2.0]
    assert targets.tolist() == [0.0, 0.0]
    with pytest.raises(TypeError, match="unexpected keyword argument 'path'"):
        forward(Doubled(), {"image": torch.ones(2), "path": ["a", "b"], "label": torch.zeros(2)})


def test_a_compiled_model_is_not_handed_more_than_the_plain_one() -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 1)

        def forward(self, image: Tensor) -> Tensor:
            return self.layer(image)  # type: ignore[no-any-return]

    model: Any = torch.compile(Plain(), backend="eager")
    outputs, _ = forward(model, {"image": torch.ones(3, 2), "label": torch.ones(3)})
    assert outputs.shape == (3, 1)


def test_outputs_that_are_a_tuple_train_and_are_scored(make_workload: Any) -> None:
    class Gaussian(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mean, self.log_variance = nn.Linear(3, 1), nn.Linear(3, 1)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.mean(x), self.log_variance(x)

    def loss(outputs: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
        mean, log_variance = outputs
        return nn.functional.gaussian_nll_loss(mean, targets, log_variance.exp())

    def metrics(outputs: tuple[Tensor, Tensor], targets: Tensor) -> dict[str, float]:
        return {"mae": (outputs[0] - targets).abs().mean().item()}

    workload = make_workload(model=Gaussian, loss=loss, metrics=metrics)
    base = initial_version(workload, 1)
    before = known(evaluate(workload, workload.model(), base, workload.test_data()))
    asked = Hyperparameters(epochs=20, learning_rate=0.05)
    result = Trainer(workload, "a").train(base, hyperparameters=asked, seed=1)
    trained = {name: base[name] + result.delta[name] for name in base}
    after = known(evaluate(workload, workload.model(), trained, workload.test_data()))
    assert after["mae"] < before["mae"]
    assert after["loss"] < before["loss"]


def test_nested_inputs_are_the_models_argument() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(1, 1)

        def forward(self, parts: dict[str, Tensor], scale: Tensor) -> Any:
            return self.layer(parts["left"]) * scale, self.layer(parts["right"]) * scale

    one = torch.ones(3, 1)
    (left, right), targets = forward(Two(), [{"left": one, "right": -one}, one, (one, one)])
    assert left.shape == right.shape == (3, 1)
    assert len(targets) == 2


def test_a_batch_that_is_one_tensor_says_what_to_return(make_workload: Any) -> None:
    data = [torch.ones(3)] * 4
    workload = make_workload(train_data=lambda _: data)
    with pytest.raises(WorkloadError, match=r"A batch of the workload is a Tensor.*end with the"):
        Trainer(workload, "a").train(
            initial_version(workload, 1), hyperparameters=Hyperparameters(), seed=1
        )


def test_no_loss_anywhere_is_one_line(make_workload: Any) -> None:
    workload = make_workload()
    del workload.loss
    base = initial_version(workload, 1)
    for tried in (
        lambda: evaluate(workload, workload.model(), base, workload.test_data()),
        lambda: Trainer(workload, "a").train(base, hyperparameters=Hyperparameters(), seed=1),
    ):
        with pytest.raises(WorkloadError, match="defines no loss, and what its model returns"):
            tried()


def test_a_training_step_needs_no_loss_and_none_is_reported(make_workload: Any) -> None:
    workload = make_workload(training_step=lambda model, batch: model(batch[0]).square().mean())
    del workload.loss
    base = initial_version(workload, 1)
    Trainer(workload, "a").train(base, hyperparameters=Hyperparameters(), seed=1)
    assert set(evaluate(workload, workload.model(), base, workload.test_data())) == {"mae"}


def test_an_attribute_named_loss_counts_too() -> None:
    outputs = SimpleNamespace(loss=torch.tensor(3.0))
    assert loss_of(SimpleNamespace(), outputs, None) is outputs.loss


def test_a_cohort_of_them_trains_one_after_the_other(text: Any) -> None:
    assert "its own collate" in Cohort(text, {"a": Words(), "b": Words()}).reason
    del text.collate
    assert "the loss is the model's own" in Cohort(text, {"a": Words()}).reason
