"""LoRA: small trained matrices beside a large frozen network, which travels to each site once.

Sun, Li, Li and Ding, "Improving LoRA in Privacy-preserving Federated Learning", ICLR 2024,
https://arxiv.org/abs/2403.12313 (FFA-LoRA): A stays at its random start, the same everywhere, and
only B is trained. So the mean of the sites' B is exactly the mean of their changes B A.
"""  # noqa: INP001 - a module of the user's, in no package

from pathlib import Path

import torch
from safetensors.torch import load_model, save_model
from torch import nn
from torch.utils.data import TensorDataset

from models.workloads import digits  # stands in for your own data

PRETRAINED = Path("base.safetensors")  # the coordinator's; no site needs it


class LoRA(nn.Module):
    """A linear layer W, frozen, and beside it the trained change (alpha / rank) B A."""

    def __init__(self, linear: nn.Linear, rank: int = 8, alpha: float = 8.0) -> None:
        super().__init__()
        self.linear = linear
        self.a = nn.Parameter(torch.randn(rank, linear.in_features) / rank**0.5)
        self.b = nn.Parameter(torch.zeros(linear.out_features, rank))
        self.scale = alpha / rank
        for parameter in (*linear.parameters(), self.a):
            parameter.requires_grad = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `(batch, out_features)` of `(batch, in_features)`."""
        change = self.scale * (x @ self.a.T) @ self.b.T
        return change.add(self.linear(x))


def base() -> nn.Sequential:
    """Return a network of `(batch, 64)` pixels to `(batch, 10)` logits."""
    hidden = (nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU())
    return nn.Sequential(*hidden, nn.Linear(256, 10))


def model() -> nn.Module:
    """Return the pretrained network with a trained matrix beside each layer."""
    net = base()
    if PRETRAINED.exists():
        load_model(net, PRETRAINED)
    return nn.Sequential(*(LoRA(m) if isinstance(m, nn.Linear) else m for m in net))


def mirrored(data: TensorDataset) -> TensorDataset:
    """Return images as the sites' scanners deliver them, which the base has never seen."""
    images, labels = data.tensors
    return TensorDataset(images.view(-1, 8, 8).flip(2).flatten(1), labels)


def train_data(client_id: str) -> TensorDataset:
    """Return one site's images."""
    return mirrored(digits.train_data(client_id))


def test_data() -> TensorDataset:
    """Return the coordinator's images."""
    return mirrored(digits.test_data())


loss, metrics = digits.loss, digits.metrics

if __name__ == "__main__":  # python lora.py: pretrain the base on images as they are
    net = base()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    images, labels = digits.train_examples().tensors
    for _ in range(100):
        optimizer.zero_grad()
        torch.autograd.backward(loss(net(images), labels))
        optimizer.step()
    save_model(net, str(PRETRAINED))
