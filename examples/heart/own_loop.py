"""The heart example with a training loop of its own: momentum that each hospital keeps."""  # noqa: INP001 - a module of the user's, in no package

from typing import Any

import torch
from heart import loss, metrics, model, test_data, train_data
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

__all__ = ["loss", "metrics", "model", "test_data", "train", "train_data"]


def train(net: nn.Module, data: TensorDataset, context: Any) -> dict[str, float]:
    """Train in place; say how many steps that took, and the loss of the last epoch."""
    asked = context.hyperparameters
    optimizer = torch.optim.SGD(net.parameters(), lr=asked.learning_rate, momentum=0.9)
    for name, parameter in net.named_parameters():
        if name in context.state:  # from this hospital's last update
            optimizer.state[parameter]["momentum_buffer"] = context.state[name]
    steps, mean = 0, 0.0
    for epoch in range(asked.epochs):
        total = 0.0
        for features, ill in DataLoader(data, asked.batch_size, shuffle=True):
            optimizer.zero_grad()
            value = loss(net(features), ill)
            value.backward()
            optimizer.step()
            steps, total = steps + 1, total + value.item() * len(ill)
        mean = total / len(data)
        context.progress(epoch + 1, asked.epochs, mean)
    for name, parameter in net.named_parameters():
        context.state[name] = optimizer.state[parameter]["momentum_buffer"]
    return {"num_steps": steps, "loss": mean}
