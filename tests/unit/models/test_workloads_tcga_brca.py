"""Survival of six regions' patients: the loss and the figure by hand, and that it learns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from common import settings
from common.errors import WorkloadError
from models.workload import load_workload
from models.workloads import tcga_brca

PATIENT = st.tuples(st.integers(0, 1), st.integers(0, 6), st.integers(-3, 3))
PATIENTS = st.lists(PATIENT, min_size=1, max_size=12)


@pytest.fixture
def _data(data_file):
    data_file("tcga_brca/brca.csv")
    data_file("tcga_brca/train_test_split.csv")


def tensors(patients: list[tuple[int, int, int]]) -> tuple[Tensor, Tensor]:
    rows = torch.tensor(patients, dtype=torch.float64)
    return rows[:, 2].clone(), rows[:, :2]


def test_loss_of_a_death_is_how_unlikely_it_was_among_those_at_risk():
    # Days 1, 2, 3; the second was lost from sight. At the first death three were at risk, all
    # alike: log 3. At the last death there was nobody else: log 1.
    targets = torch.tensor([[1.0, 1.0], [0.0, 2.0], [1.0, 3.0]])
    assert tcga_brca.loss(torch.zeros(3), targets).item() == pytest.approx(math.log(3) / 3)
    # Twice the hazard at the first death: 2 of 2 + 1 + 1, so log 2.
    hazards = torch.tensor([math.log(2), 0.0, 0.0])
    assert tcga_brca.loss(hazards, targets).item() == pytest.approx(math.log(2) / 3)


def test_who_dies_on_the_same_day_was_at_risk_together():
    targets = torch.tensor([[1.0, 1.0], [1.0, 1.0], [0.0, 2.0]])
    assert tcga_brca.loss(torch.zeros(3), targets).item() == pytest.approx(2 * math.log(3) / 3)


def test_a_batch_without_a_death_teaches_nothing():
    hazards = torch.zeros(2, requires_grad=True)
    loss = tcga_brca.loss(hazards, torch.tensor([[0.0, 1.0], [0.0, 2.0]]))
    (gradient,) = torch.autograd.grad(loss, hazards)
    assert gradient.tolist() == [0.0, 0.0]


@given(PATIENTS, st.integers(-5, 5), st.randoms(use_true_random=False))
def test_only_differences_of_hazards_count_and_order_does_not(patients, shift, random):
    hazards, targets = tensors(patients)
    loss = tcga_brca.loss(hazards, targets).item()
    assert loss >= -1e-12
    random.shuffle(patients)
    hazards, targets = tensors(patients)
    assert tcga_brca.loss(hazards + shift, targets).item() == pytest.approx(loss, abs=1e-9)


def test_c_index_counts_the_pairs_whose_order_is_known():
    # A died on day 1, B was lost on day 2, C died on day 3, D was lost on day 3.
    # Known pairs: A before B, C, D; C before D. Not B before anybody.
    targets = torch.tensor([[1.0, 1.0], [0.0, 2.0], [1.0, 3.0], [0.0, 3.0]])

    def c_index(*hazards: float) -> float:
        return tcga_brca.metrics(torch.tensor(hazards), targets)["c_index"]

    assert c_index(4.0, 3.0, 2.0, 1.0) == 1.0
    assert c_index(1.0, 2.0, 3.0, 4.0) == 0.0
    assert c_index(2.0, 3.0, 2.0, 1.0) == pytest.approx(2.5 / 4)  # no, tie, yes, yes


@given(PATIENTS)
def test_c_index_is_what_a_loop_over_pairs_finds(patients):
    found = []
    for died, day, hazard in patients:
        for other_died, other_day, other_hazard in patients:
            if died and (day < other_day or (day == other_day and not other_died)):
                found.append(0.5 + 0.5 * np.sign(hazard - other_hazard))
    c_index = tcga_brca.metrics(*tensors(patients))["c_index"]
    assert c_index == pytest.approx(np.mean(found)) if found else math.isnan(c_index)


@pytest.mark.usefixtures("_data")
def test_patients_are_split_as_flamby_splits_them():
    # The figures of FLamby's README, "Records per center".
    regions = tcga_brca.natural_split()
    assert len(regions) == len(tcga_brca.REGIONS)
    assert [len(region) for region in regions] == [248, 156, 164, 129, 129, 40]
    assert sorted(np.concatenate(regions).tolist()) == list(range(866))
    assert len(tcga_brca.test_data()) == 63 + 40 + 42 + 33 + 33 + 11


@pytest.mark.usefixtures("_data")
def test_features_are_standardised():
    features = tcga_brca.train_examples().tensors[0]
    assert features.shape == (866, 39)
    assert features.mean(dim=0).abs().max().item() < 1e-5
    assert features.std(dim=0).numpy() == pytest.approx(np.ones(39), abs=1e-5)


@pytest.mark.usefixtures("_data", "partition")
def test_each_client_is_a_region():
    sizes = [len(tcga_brca.train_data(client)) for client in ("ann", "bob", "cay", "dan")]
    assert sizes == [248, 156, 164, 129]


@pytest.mark.usefixtures("_data")
def test_a_seventh_client_is_refused(monkeypatch):
    monkeypatch.setenv("FAIRWIND_PARTITION", "a,b,c,d,e,f,g")
    settings.load.cache_clear()
    with pytest.raises(WorkloadError, match=r"7 clients.*6 places.*Name at most 6"):
        tcga_brca.train_data("a")


@pytest.mark.usefixtures("_data")
def test_it_learns(learn):
    workload = load_workload("tcga_brca", allowed=["tcga_brca"])
    assert learn(workload, epochs=10, learning_rate=0.1)["c_index"] > 0.8
