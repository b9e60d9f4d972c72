"""Predict a pump's temperature from a log that is read line by line, by two processes.

The log is written anew where it is missing; yours is there already.
"""  # noqa: INP001 - a module of the user's, in no package

import random
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

loss = nn.functional.mse_loss


class Log(IterableDataset):
    """The lines of a file: two readings, and the temperature that followed."""

    def __init__(self, path, lines):
        self.path, self.lines = path, lines

    def __len__(self):
        """Return how many lines one pass gives: the client counts for so much."""
        return self.lines

    def __iter__(self):
        worker = get_worker_info()  # each process takes its share of the lines
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        with self.path.open() as file:
            for number, line in enumerate(file):
                if number % step == first:
                    *readings, temperature = map(float, line.split(","))
                    yield torch.tensor(readings), torch.tensor([temperature])


def loader(data, batch_size, generator):
    """Return the batches of one epoch; in an evaluation the generator is None."""
    return DataLoader(data, batch_size, num_workers=2, generator=generator)


def model():
    return nn.Linear(2, 1)


def train_data(client_id):
    path, lines = Path(f"{client_id}.csv"), 400
    if not path.exists():
        draw = random.Random(client_id)
        pairs = [(draw.gauss(0, 1), draw.gauss(0, 1)) for _ in range(lines)]
        path.write_text("".join(f"{a},{b},{2 * a - b + draw.gauss(0, 0.1)}\n" for a, b in pairs))
    return Log(path, lines)


def test_data():
    return train_data("test")


def metrics(predicted, temperature):
    return {"mae": (predicted - temperature).abs().mean()}
