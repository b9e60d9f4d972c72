"""Find tumours in 3-D scans that do not fit into memory together. The scans are drawn, not real.

A metric object sees one batch after the other, so an evaluation holds one batch of scans.
"""  # noqa: INP001 - a module of the user's, in no package

import zlib

import torch
from torch import nn
from torch.utils.data import Dataset

SIDE, RADIUS = 16, 3  # voxels


class Scans(Dataset):
    """The scans of one hospital, each made when it is needed. Yours would read a file."""

    def __init__(self, name, count):
        self.name, self.count = name, count

    def __len__(self):
        return self.count

    def __getitem__(self, row):
        """Return voxels `(1, side, side, side)` and, in the same shape, where the tumour is."""
        draw = torch.Generator().manual_seed(zlib.crc32(f"{self.name} {row}".encode()))
        centre = 4 + 8 * torch.rand(3, 1, 1, 1, generator=draw)
        places = torch.stack(torch.meshgrid(*[torch.arange(SIDE)] * 3, indexing="ij"))
        tumour = ((places - centre).square().sum(dim=0, keepdim=True) < RADIUS**2).float()
        return tumour + 0.8 * torch.randn(tumour.shape, generator=draw), tumour


class Overlap:  # a metric of torchmetrics fits as well
    def __init__(self):
        self.both = self.found = self.there = 0

    def update(self, logits, tumour):
        found = logits > 0
        self.both += (found * tumour).sum().item()
        self.found, self.there = self.found + found.sum().item(), self.there + tumour.sum().item()

    def compute(self):
        either = self.found + self.there
        return {"dice": 2 * self.both / either, "iou": self.both / (either - self.both)}


metrics = Overlap  # called anew for each evaluation
loss = nn.functional.binary_cross_entropy_with_logits


def model():
    return nn.Sequential(nn.Conv3d(1, 4, 5, padding=2), nn.ReLU(), nn.Conv3d(4, 1, 3, padding=1))


def train_data(client_id):
    return Scans(client_id, 24)


def test_data():
    return Scans("scans that no hospital trains on", 12)
