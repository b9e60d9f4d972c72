"""Clients that lie: what they send in place of their honest updates.

Each knows its own honest update, and all honest ones that are trained with it: those of the round
from the same version. Liars do not lie about energy, time or examples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from models.batched import ClientWork, Updates
from models.update import State
from simulation.scenario.attacks import Attack

_NOISE = 10.0
"""Norm of Gaussian noise, as a multiple of the honest update's."""

_DEVIATIONS = 1.5
"""How many standard deviations `alie` is from the mean; few enough to hide among honest values."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a liar knows in a round.

    Attributes:
        own: Its honest update.
        honest: Those of the honest clients, each tensor `(num_honest, *shape)`; where there are
            none, its own.
        seed: Of its training.
    """

    own: State
    honest: State
    seed: int


class Liars:
    """Makes the updates of clients that lie.

    Args:
        attacks: How each liar lies, by client.
    """

    def __init__(self, attacks: Mapping[str, Attack]) -> None:
        self._attacks = attacks

    def spoil(self, updates: Updates, works: Sequence[ClientWork]) -> Updates:
        """Return the updates as they are sent; liars' in place of what they trained.

        Args:
            updates: What training gave; not changed.
            works: Of the same clients in the same order.
        """
        liars = [row for row, client in enumerate(updates.clients) if client in self._attacks]
        if not liars:
            return updates
        honest = [row for row in range(len(updates.clients)) if row not in liars]
        known = {name: delta[honest] for name, delta in updates.deltas.items()}
        sent = {name: delta.clone() for name, delta in updates.deltas.items()}
        for row in liars:
            own = {name: delta[row] for name, delta in updates.deltas.items()}
            beside = known if honest else {name: delta[None] for name, delta in own.items()}
            lie = _LIES[self._attacks[updates.clients[row]]]
            for name, delta in lie(Knowledge(own, beside, works[row].seed)).items():
                sent[name][row] = delta
        return replace(updates, deltas=sent)


def _scaled(known: Knowledge, *, factor: float) -> State:
    return {name: delta * factor for name, delta in known.own.items()}


def _gaussian(known: Knowledge) -> State:
    generator = torch.Generator().manual_seed(known.seed)
    noise = {
        name: torch.randn(delta.shape, generator=generator, dtype=torch.float64)
        for name, delta in known.own.items()
    }
    factor = _NOISE * _norm(known.own) / _norm(noise)
    return {name: delta * factor for name, delta in noise.items()}


def _alie(known: Knowledge) -> State:
    lie = {}
    for name, delta in known.honest.items():
        deviation, mean = torch.std_mean(delta.double(), dim=0, correction=0)
        lie[name] = mean - _DEVIATIONS * deviation
    return lie


def _ipm(known: Knowledge, *, epsilon: float) -> State:
    return {name: -epsilon * delta.double().mean(dim=0) for name, delta in known.honest.items()}


def _mimic(known: Knowledge) -> State:
    rows = torch.cat([_flat(delta) for delta in known.honest.values()], dim=1)  # (honest, params)
    centred = rows - rows.mean(dim=0)
    along = torch.linalg.eigh(centred @ centred.T).eigenvectors[:, -1]  # (honest,)
    chosen = int(along.abs().argmax())
    return {name: delta[chosen] for name, delta in known.honest.items()}


def _flat(delta: Tensor) -> Tensor:
    return delta.double().reshape(len(delta), -1)


def _norm(state: State) -> float:
    return math.sqrt(sum(float(delta.double().square().sum()) for delta in state.values()))


_LIES: dict[Attack, Callable[[Knowledge], State]] = {
    "label-flip": partial(_scaled, factor=1.0),  # what its data have done is lie enough
    "sign-flip": partial(_scaled, factor=-1.0),
    "sign-flip-3": partial(_scaled, factor=-3.0),
    "gaussian": _gaussian,
    "alie": _alie,
    "ipm-0.1": partial(_ipm, epsilon=0.1),
    "ipm-0.5": partial(_ipm, epsilon=0.5),
    "ipm-10": partial(_ipm, epsilon=10.0),
    "mimic": _mimic,
    "x100": partial(_scaled, factor=100.0),
    "free-rider": partial(_scaled, factor=0.0),
}
