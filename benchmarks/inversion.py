"""Records drawn from a change of a model, by division alone.

A first layer with a bias gives its input away: the gradient of a neuron's weights is the input
times the gradient of its bias. With one record the quotient is that record; with more it is a
weighted mean of those to which the neuron answered.

Phong, Aono, Hayashi, Wang and Moriai, "Privacy-Preserving Deep Learning via Additively Homomorphic
Encryption", IEEE TIFS 2018, https://eprint.iacr.org/2017/715; Geiping, Bauermeister, Dröge and
Moeller, "Inverting Gradients", NeurIPS 2020, https://arxiv.org/abs/2003.14053, proposition 3.1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.update import State

_SAME = 0.95
"""From which correlation on a drawn picture counts as the record."""


def share_drawn(delta: State, records: Tensor) -> float:
    """Return the share of records, 0 to 1, that some neuron's quotient is.

    Args:
        delta: The change of a network whose first layer is dense, with a bias.
        records: Its inputs, `(num_records, num_inputs)`.
    """
    drawn = quotients(delta)
    if not len(drawn):
        return 0.0
    best = (_centred(records) @ _centred(drawn).T).amax(dim=1)  # (num_records,)
    return float((best > _SAME).float().mean())


def quotients(delta: State) -> Tensor:
    """Return each neuron's change of weights over that of its bias, `(num_neurons, num_inputs)`."""
    weights, biases = list(delta.values())[:2]
    moved = biases != 0
    return weights[moved].double() / biases[moved].double().unsqueeze(1)


def _centred(rows: Tensor) -> Tensor:
    """Return rows of mean 0 and norm 1; constant ones are 0."""
    wide = rows.double()
    return torch.nn.functional.normalize(wide - wide.mean(dim=1, keepdim=True), dim=1)
