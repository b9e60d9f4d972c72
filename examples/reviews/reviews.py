"""Is a review kind? Texts of different lengths, and a model that returns its own loss.

Items are mappings and outputs are a mapping, as with Hugging Face's transformers. Replace `Bag` by
`AutoModelForSequenceClassification.from_config(...)` and `collate` by `tokenizer.pad`: the rest
stays. The reviews are drawn, not real.
"""  # noqa: INP001 - a module of the user's, in no package

import zlib

import torch
from torch import nn

KIND, RUDE, OTHER = range(1, 20), range(20, 39), range(39, 100)  # words, by number; 0 pads


class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(100, 16, padding_idx=0)
        self.head = nn.Linear(16, 2)

    def forward(self, input_ids, attention_mask, labels=None):
        """Return logits `(batch, 2)` for words `(batch, length)`, and the loss where it can be."""
        total = self.words(input_ids).sum(dim=1)
        logits = self.head(total / attention_mask.sum(dim=1, keepdim=True))
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return {"loss": loss, "logits": logits}


model = Bag


def train_data(client_id):
    draw = torch.Generator().manual_seed(zlib.crc32(client_id.encode()))
    return [_review(draw) for _ in range(200)]  # a list is a data set, too


def test_data():
    return train_data("reviews that no shop trains on")


def collate(items):
    """Return a batch: reviews are padded to the longest, and the mask says where words are."""
    words = nn.utils.rnn.pad_sequence([item["input_ids"] for item in items], batch_first=True)
    labels = torch.tensor([item["label"] for item in items])
    return {"input_ids": words, "attention_mask": words.ne(0), "labels": labels}


def metrics(outputs, labels):
    return {"accuracy": (outputs["logits"].argmax(dim=1) == labels).float().mean()}


def _review(draw):
    kind = int(torch.randint(2, (), generator=draw))
    words = torch.tensor([*(KIND if kind else RUDE), *OTHER])
    length = int(torch.randint(3, 30, (), generator=draw))
    chosen = torch.randint(len(words), (length,), generator=draw)
    return {"input_ids": words[chosen], "label": kind}
