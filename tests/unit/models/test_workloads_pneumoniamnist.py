"""Chest X-rays: read as published, and learnt."""

from __future__ import annotations

import pytest
import torch

from models.workload import load_workload
from models.workloads import pneumoniamnist


@pytest.fixture
def _data(data_file):
    data_file("pneumoniamnist/pneumoniamnist_28.npz")


def test_figures_are_of_both_classes():
    # Three of four cases found, one of two healthy ones.
    targets = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0, 0.0])
    logits = torch.tensor([3.0, 2.0, 1.0, -1.0, -2.0, 4.0])
    figures = pneumoniamnist.metrics(logits, targets)
    assert figures["accuracy"] == pytest.approx(4 / 6)
    assert figures["balanced_accuracy"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert figures["roc_auc"] == pytest.approx(4 / 8)  # each case beats -2, none beats 4


@pytest.mark.usefixtures("_data")
def test_images_are_those_published():
    images, labels = pneumoniamnist.train_examples().tensors
    assert images.shape == (4708, 28, 28)
    assert labels.sum().item() == 3494
    assert images.mean().item() == pytest.approx(0, abs=0.01)
    assert images.std().item() == pytest.approx(1, abs=0.01)
    test_labels = pneumoniamnist.test_data().tensors[1]
    assert (len(test_labels), test_labels.sum().item()) == (624, 390)


@pytest.mark.usefixtures("_data")
def test_clients_share_the_images(partition):
    sizes = [len(pneumoniamnist.train_data(client)) for client in partition]
    assert sum(sizes) == 4708


@pytest.mark.usefixtures("_data")
def test_it_learns(learn):
    workload = load_workload("pneumoniamnist", allowed=["pneumoniamnist"])
    figures = learn(workload, epochs=5, learning_rate=0.1)
    assert figures["balanced_accuracy"] > 0.8
    assert figures["roc_auc"] > 0.9
