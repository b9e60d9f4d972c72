"""Whether a record was trained on, by two published scores of the change of the model.

*loss*: how far the change lowers the record's loss. Yeom, Giacomelli, Fredrikson and Jha, "Privacy
Risk in Machine Learning", CSF 2018, https://arxiv.org/abs/1709.01604, against the model before, as
the operator has it. *gradient*: the cosine between the change and the step that the record alone
asks for. Li, Rezaei and Liu, "Effective Passive Membership Inference Attacks in Federated Learning
against Overparameterized Models", ICLR 2023, https://openreview.net/forum?id=QsCSLPP55Ku.

Reported as Carlini, Chien, Nasr, Song, Terzis and Tramèr ask for, "Membership Inference Attacks
From First Principles", S&P 2022, https://arxiv.org/abs/2112.03570: true positives at few false
ones, beside the AUC.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.func import functional_call, grad, vmap

from models.update import State, load_state
from models.workload import Workload

SCORES = ("loss", "gradient")

_FALSE_POSITIVES = 0.01


class Separation(NamedTuple):
    """How well a score separates records: 0.5 and 0.01 are those of a guess."""

    auc: float
    tpr: float


def separation(
    workload: Workload,
    base: State,
    delta: State,
    members: tuple[Tensor, ...],
    strangers: tuple[Tensor, ...],
) -> tuple[Separation, ...]:
    """Return how well each of `SCORES` separates members from strangers.

    Args:
        workload: Whose model and loss.
        base: The model before.
        delta: Its change.
        members: Inputs and targets that were trained on.
        strangers: Those that were not.
    """
    inputs, targets = (torch.cat(pair) for pair in zip(members, strangers, strict=True))
    model = workload.model()
    load_state(model, base)
    before = {name: tensor.detach() for name, tensor in model.named_parameters()}
    after = {name: tensor + delta[name] for name, tensor in before.items()}

    def loss(state: State, given: Tensor, wanted: Tensor) -> Tensor:
        output = functional_call(model, state, (given.unsqueeze(0),))
        found: Tensor = workload.loss(output, wanted.unsqueeze(0))
        return found

    each = (None, 0, 0)
    lowered = vmap(loss, each)(before, inputs, targets) - vmap(loss, each)(after, inputs, targets)
    slopes = vmap(grad(loss), each)(before, inputs, targets)
    steps = torch.cat([-slope.flatten(1) for slope in slopes.values()], dim=1)
    change = torch.cat([delta[name].flatten() for name in slopes])
    alike = torch.nn.functional.cosine_similarity(steps, change.unsqueeze(0))
    is_member = np.arange(len(inputs)) < len(members[0])
    return tuple(_separation(score.numpy(), is_member) for score in (lowered, alike))


def _separation(scores: NDArray[np.float32], is_member: NDArray[np.bool_]) -> Separation:
    least = np.quantile(scores[~is_member], 1 - _FALSE_POSITIVES)
    found = float((scores[is_member] > least).mean())
    return Separation(float(roc_auc_score(is_member, scores)), found)
