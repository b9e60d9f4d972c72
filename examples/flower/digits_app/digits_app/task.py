import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def load_data(partition_id, num_partitions, batch_size):
    pixels, labels = load_digits(return_X_y=True)
    tensors = torch.tensor(pixels / 16).float(), torch.tensor(labels)
    own = TensorDataset(*(each[partition_id::num_partitions] for each in tensors))
    train, test = random_split(own, [0.8, 0.2], torch.Generator().manual_seed(42))
    return DataLoader(train, batch_size, shuffle=True), DataLoader(test, batch_size)


def train(net, loader, epochs, lr):
    optimizer = torch.optim.SGD(net.parameters(), lr)
    for _ in range(epochs):
        for pixels, labels in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(pixels), labels)
            loss.backward()
            optimizer.step()
    return loss.item()


def test(net, loader):
    with torch.no_grad():
        pairs = [(net(pixels), labels) for pixels, labels in loader]
    logits, labels = (torch.cat(each) for each in zip(*pairs, strict=True))
    right = (logits.argmax(1) == labels).float().mean().item()
    return nn.functional.cross_entropy(logits, labels).item(), right
