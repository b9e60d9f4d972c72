"""Clothing: Debian's files or those of one's own, and learnt from a sixth of them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import TensorDataset

from common.errors import WorkloadError
from models.workload import load_workload
from models.workloads import fashion_mnist


@pytest.fixture
def _data():
    try:
        fashion_mnist.test_data()
    except WorkloadError as error:
        pytest.skip(str(error))


def write_idx(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes()
    path.write_bytes(gzip.compress(header + values.astype(np.uint8).tobytes()))


def test_files_of_ones_own_are_read(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRWIND_DATA", str(tmp_path))
    pixels = np.arange(2 * 28 * 28).reshape(2, 28, 28) % 256
    write_idx(tmp_path / "fashion-mnist" / "t10k-images-idx3-ubyte.gz", pixels)
    write_idx(tmp_path / "fashion-mnist" / "t10k-labels-idx1-ubyte.gz", np.array([7, 3]))
    images, labels = fashion_mnist.test_data().tensors
    assert labels.tolist() == [7, 3]
    # the pixels, brought near mean 0 and deviation 1
    assert images.numpy() * 90 + 72.9 == pytest.approx(pixels, abs=1e-4)


def test_absent_files_name_the_package(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRWIND_DATA", str(tmp_path))
    monkeypatch.setattr(fashion_mnist, "_DEBIAN", tmp_path / "nowhere")
    for read in (fashion_mnist.train_examples, fashion_mnist.test_data):
        with pytest.raises(WorkloadError, match=r"no file .*package dataset-fashion-mnist") as said:
            read()
        assert "\n" not in str(said.value)


@pytest.mark.usefixtures("_data")
def test_images_are_those_published():
    images, labels = fashion_mnist.train_examples().tensors
    assert images.shape == (60_000, 28, 28)
    assert labels.bincount().tolist() == [6000] * 10
    assert images.mean().item() == pytest.approx(0, abs=0.01)
    assert images.std().item() == pytest.approx(1, abs=0.01)
    assert fashion_mnist.test_data().tensors[1].bincount().tolist() == [1000] * 10


@pytest.mark.usefixtures("_data")
def test_clients_share_the_images(partition):
    sizes = [len(fashion_mnist.train_data(client)) for client in partition]
    assert sum(sizes) == 60_000


@pytest.mark.usefixtures("_data")
def test_it_learns(learn):
    workload = load_workload("fashion_mnist", allowed=["fashion_mnist"])
    some = TensorDataset(*(tensor[:10_000] for tensor in fashion_mnist.train_examples().tensors))
    assert learn(workload, some, epochs=4, learning_rate=0.1)["accuracy"] > 0.8
