"""A client's score: grams per update, latency, participation and utility, each part kept and shown.

Utility and latency follow Oort: Lai, Zhu, Madhyastha and Chowdhury, "Oort: Efficient Federated
Learning via Guided Participant Selection", OSDI 2021. Carbon and fairness stand beside them. A
part that is unknown is left out and said so, never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from common.units import emitted_gco2eq
from scheduler.client import Client

WEIGHTS: Mapping[str, float] = {
    "grams_per_update": 0.5,
    "latency": 0.1,
    "participation": 0.2,
    "utility": 0.2,
}
"""How much each part counts. Carbon first; the others keep a green-only choice from biasing."""

UNITS: Mapping[str, str] = {
    "grams_per_update": "gCO2eq",
    "latency": "s",
    "participation": "updates",
    "utility": "",
}

_MORE_IS_BETTER = {"utility"}


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a score: the figure as observed, and its rank in the fleet from 0 to 1 (best)."""

    name: str
    value: float
    unit: str
    normalised: float
    weight: float


@dataclass(frozen=True, slots=True)
class Score:
    """The weighted mean of the parts that are known, from 0 to 1; 0.5 where none is."""

    value: float
    parts: tuple[Part, ...]
    unknown: tuple[str, ...]


def expected_gco2eq(client: Client, intensity_gco2eq_per_kwh: float | None) -> float | None:
    """Return what the client's next update is expected to emit, or `None` before experience."""
    if client.energy_per_update_wh is None or intensity_gco2eq_per_kwh is None:
        return None
    return emitted_gco2eq(client.energy_per_update_wh, intensity_gco2eq_per_kwh)


def score_clients(
    clients: Sequence[Client], intensity: Mapping[str, float | None]
) -> dict[str, Score]:
    """Score every client against the others.

    Args:
        clients: Who is compared.
        intensity: By client id, the carbon intensity of its zone now, gCO2eq/kWh.

    Returns:
        By client id, the score with its parts. Each part is placed between the fleet's 5 % and
        95 % quantile, so that one outlier does not flatten everybody else.
    """
    observe: dict[str, Callable[[Client], float | None]] = {
        "grams_per_update": lambda client: expected_gco2eq(client, intensity[client.id]),
        "latency": lambda client: client.latency_s,
        "participation": lambda client: float(client.updates),
        "utility": lambda client: client.utility,
    }
    columns = {name: [see(client) for client in clients] for name, see in observe.items()}
    ranks = {name: _normalise(values, name) for name, values in columns.items()}
    return {
        client.id: _compose(
            {name: columns[name][i] for name in columns}, {name: ranks[name][i] for name in ranks}
        )
        for i, client in enumerate(clients)
    }


def _normalise(values: Sequence[float | None], name: str) -> list[float]:
    known = np.array([value for value in values if value is not None])
    if known.size == 0:
        return [0.5] * len(values)
    low, high = np.quantile(known, [0.05, 0.95])
    span = float(high - low)

    def place(value: float | None) -> float:
        if value is None or span <= 0:
            return 0.5
        share = min(1.0, max(0.0, (value - float(low)) / span))
        return share if name in _MORE_IS_BETTER else 1.0 - share

    return [place(value) for value in values]


def _compose(values: Mapping[str, float | None], ranks: Mapping[str, float]) -> Score:
    parts = tuple(
        Part(name, value, UNITS[name], ranks[name], WEIGHTS[name])
        for name, value in values.items()
        if value is not None
    )
    total = sum(part.weight for part in parts)
    value = sum(part.weight * part.normalised for part in parts) / total if total else 0.5
    return Score(value, parts, tuple(name for name in values if values[name] is None))
