"""Heart disease from a check-up: what a hospital's own code looks like. It imports nothing of ours.

The patients are drawn, not real, the same ones at every start. As in life, hospitals differ: in the
age of who comes, in how many smoke, and in a cholesterol assay that reads a little high or low.
"""  # noqa: INP001 - a module of the user's, in no package

import hashlib

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

FEATURES = {  # name: (reference mean, reference deviation), the same at every hospital
    "age_years": (55.0, 12.0),
    "systolic_mmhg": (135.0, 18.0),
    "cholesterol_mg_dl": (210.0, 40.0),
    "max_heart_rate_bpm": (150.0, 20.0),
    "bmi_kg_m2": (27.0, 4.5),
    "male": (0.5, 0.5),
    "smoker": (0.3, 0.46),
    "diabetic": (0.15, 0.36),
}

loss = nn.functional.binary_cross_entropy_with_logits


def model() -> nn.Module:
    """Return a small network, `(batch, 8)` standardised features to `(batch,)` logits."""
    return nn.Sequential(
        nn.Linear(len(FEATURES), 16), nn.ReLU(), nn.Linear(16, 1), nn.Flatten(start_dim=0)
    )


def train_data(client_id: str) -> TensorDataset:
    """Return one hospital's patients. Yours would read its database here."""
    draw = torch.Generator().manual_seed(_seed(client_id))
    younger_or_older = float(torch.empty(1).uniform_(-8, 8, generator=draw))
    assay_offset = float(torch.empty(1).uniform_(-15, 15, generator=draw))
    smokers = float(torch.empty(1).uniform_(0.15, 0.45, generator=draw))
    count = int(torch.randint(400, 900, (1,), generator=draw))
    return _patients(count, draw, years=younger_or_older, assay=assay_offset, smokers=smokers)


def test_data() -> TensorDataset | None:
    """Return the coordinator's patients: a reference population that no hospital trains on."""
    draw = torch.Generator().manual_seed(_seed("reference population"))
    return _patients(1500, draw, years=0.0, assay=0.0, smokers=0.3)


def metrics(logits: Tensor, targets: Tensor) -> dict[str, float]:
    """Return accuracy and area under the ROC curve of logits and targets `(num_examples,)`."""
    accuracy = ((logits > 0) == (targets > 0)).float().mean().item()
    return {"accuracy": accuracy, "roc_auc": roc_auc(logits, targets)}


def roc_auc(scores: Tensor, targets: Tensor) -> float:
    """Return how likely a random patient with the disease scores above one without (ties: half)."""
    ill, well = scores[targets > 0], scores[targets <= 0].sort().values
    below = torch.searchsorted(well, ill)
    not_above = torch.searchsorted(well, ill, right=True)
    return ((below + not_above).double().mean() / (2 * max(1, len(well)))).item()


def _patients(
    count: int, draw: torch.Generator, *, years: float, assay: float, smokers: float
) -> TensorDataset:
    def normal(mean: float | Tensor, deviation: float) -> Tensor:
        return mean + deviation * torch.randn(count, generator=draw)

    def chance(probability: float | Tensor) -> Tensor:
        return (torch.rand(count, generator=draw) < probability).float()

    age = normal(55 + years, 12).clamp(25, 90)
    bmi = normal(27, 4.5).clamp(16, 50)
    male, smoker = chance(0.5), chance(smokers)
    diabetic = chance(torch.sigmoid(-2.0 + 0.12 * (bmi - 27) + 0.03 * (age - 55)))
    systolic = normal(135 + 0.5 * (age - 55) + 0.8 * (bmi - 27), 14)
    cholesterol = normal(210 + 0.6 * (age - 55), 38)  # what the blood holds; the assay adds to it
    heart_rate = normal(220 - age - 10 * smoker, 12)
    risk = (
        -1.6
        + 0.10 * (age - 55)
        + 0.035 * (systolic - 135)
        + 0.018 * (cholesterol - 210)
        - 0.03 * (heart_rate - 162)
        + 1.0 * male
        + 1.2 * smoker * (1 + 0.03 * (age - 55))
        + 1.3 * diabetic
    )
    ill = chance(torch.sigmoid(risk))
    columns = [age, systolic, cholesterol + assay, heart_rate, bmi, male, smoker, diabetic]
    mean, deviation = torch.tensor(list(FEATURES.values())).T
    return TensorDataset((torch.stack(columns, dim=1) - mean) / deviation, ill)


def _seed(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6])
