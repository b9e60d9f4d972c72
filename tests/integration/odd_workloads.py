# mypy: disable-error-code="no-untyped-call"
"""Workloads that misbehave where the variable ODD is set, at one site, and nowhere else."""

import os
import signal
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import TensorDataset

_ODD = "ODD" in os.environ
_SAYS = ("this site is odd",)


class Plain:
    """Tells two clouds of points apart."""

    def loss(self, logits, targets):
        return nn.functional.cross_entropy(logits, targets)

    def model(self):
        return nn.Linear(4, 2)

    def train_data(self, client_id):
        points = torch.randn(64, 4, generator=torch.Generator().manual_seed(len(client_id)))
        return TensorDataset(points, (points[:, 0] > 0).long())

    def test_data(self):
        return self.train_data("test")

    def metrics(self, logits, targets):
        return {"accuracy": (logits.argmax(dim=1) == targets).float().mean().item()}


class RaisesInModel(Plain):
    def model(self):
        if _ODD:
            raise RuntimeError(*_SAYS)
        return super().model()


class RaisesInData(Plain):
    def train_data(self, client_id):
        if _ODD:
            raise FileNotFoundError(*_SAYS)
        return super().train_data(client_id)


class RaisesInLoss(Plain):
    def loss(self, logits, targets):
        if _ODD:
            raise ValueError(*_SAYS)
        return super().loss(logits, targets)


class GivesNaN(Plain):
    def loss(self, logits, targets):
        return super().loss(logits, targets) * (float("nan") if _ODD else 1.0)


class HasOptions:
    """Has as many classes as the run's options say, and trains on as many points."""

    loss, metrics = Plain.loss, Plain.metrics

    def model(self, options):
        return nn.Linear(4, options.get("classes", 2), bias=options.get("bias", True))

    def train_data(self, client_id, *, options):
        points, labels = Plain().train_data(client_id).tensors
        return TensorDataset(*(each[: options.get("points", 64)] for each in (points, labels)))

    def test_data(self):
        return Plain().test_data()


class AnotherModel(Plain):
    def model(self):
        return nn.Linear(4, 3) if _ODD else super().model()


class Waits(Plain):
    """Trains, at the odd site, only once the file ``go`` lies in the working folder."""

    def loss(self, logits, targets):
        while _ODD and not Path("go").exists():
            time.sleep(0.01)
        return super().loss(logits, targets)


class Killed(Plain):
    """Is killed at the odd site, each time."""

    def loss(self, logits, targets):
        if _ODD:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().loss(logits, targets)


class KilledOnce(Plain):
    """Is killed at the odd site, the first time: the file ``killed`` says that it was."""

    def loss(self, logits, targets):
        if _ODD and not Path("killed").exists():
            Path("killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().loss(logits, targets)


class Reverses(Plain):
    """Learns the opposite at the odd site, and ten times as fast."""

    def loss(self, logits, targets):
        return super().loss(logits, targets) * (-10.0 if _ODD else 1.0)


class Wordy(Plain):
    """Says its metrics in words."""

    def metrics(self, logits, targets):
        return {"accuracy": "good"}


model, data, loss = RaisesInModel(), RaisesInData(), RaisesInLoss()
nan, another_model, waits = GivesNaN(), AnotherModel(), Waits()
killed, killed_once, wordy = Killed(), KilledOnce(), Wordy()
optional, reverses = HasOptions(), Reverses()
