"""A client's score: grams per update and what stands beside them, each part kept and shown.

Utility and latency follow Oort: Lai, Zhu, Madhyastha and Chowdhury, "Oort: Efficient Federated
Learning via Guided Participant Selection", OSDI 2021. Carbon, fairness and the other parts stand
beside them. A client's unknown figures are left out of its parts and named. In the total they count
as the median of that part: withholding a figure lifts no client above the median and costs a
newcomer nothing. A client below the median can still gain by withholding, at most up to the median;
so `unknown` is shown wherever a score is. A part unknown of all clients is left out, and a part
with weight 0 is shown but changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from scheduler.carbon.reading import Reading
from scheduler.selection.client_table import ClientTable, Floats, Ints
from scheduler.selection.lazy import Lazy

UNITS: Mapping[str, str] = {
    "grams_per_update": "gCO2eq",
    "joule_per_sample": "J",
    "latency": "s",
    "latency_spread": "s",
    "low_carbon_share": "",
    "energy_price": "EUR/MWh",
    "idle_share": "",
    "reliability": "",
    "participation": "updates",
    "utility": "",
}

EXPLAINED: Mapping[str, str] = {
    "grams_per_update": "Emissions of one update: its usual energy at the grid's intensity now.",
    "joule_per_sample": "Energy for one training example, facility overhead included.",
    "latency": "Usual time from sending an assignment to accepting its update.",
    "latency_spread": "How much that time varies: the smaller, the better rounds can be planned.",
    "low_carbon_share": "Share of renewable and nuclear power in its grid now.",
    "energy_price": "Price of electricity in its zone now.",
    "idle_share": "Share of its energy used by reserved hardware that only waits.",
    "reliability": "Share of its work that came in time, was sound and counted.",
    "participation": "Updates it has contributed: the fewer, the better its score.",
    "utility": "How much the model still has to learn from its data, by its loss there.",
}

_WH_PER_KWH = 1000

_MORE_IS_BETTER = {"low_carbon_share", "reliability", "utility"}


class ScorePart(NamedTuple):
    """One part of a score: the observed figure, and its rank among all from 0 to 1 (best)."""

    name: str
    value: float
    unit: str
    normalised: float
    weight: float


@dataclass(frozen=True, slots=True)
class Score:
    """The weighted mean of all parts from 0 to 1, unknown ones at the median.

    Attributes:
        value: The mean; 0.5 where all is unknown.
        weights: By part, in the order of `figures`.
        figures: What was observed, by part; `None` where unknown.
        ranks: From 0 to 1 (best), by part; of an unknown one the median.
    """

    value: float
    weights: Mapping[str, float]
    figures: tuple[float | None, ...]
    ranks: tuple[float, ...]

    @property
    def parts(self) -> tuple[ScorePart, ...]:
        """The parts that are known, carbon first."""
        rows = zip(self.weights.items(), self.figures, self.ranks, strict=True)
        return tuple(
            ScorePart(name, figure, UNITS[name], rank, weight)
            for (name, weight), figure, rank in rows
            if figure is not None
        )

    @property
    def unknown(self) -> tuple[str, ...]:
        """The parts of which nothing is known."""
        rows = zip(self.weights, self.figures, strict=True)
        return tuple(name for name, figure in rows if figure is None)


def score_fleet(
    table: ClientTable, readings: Mapping[str, Reading | None], weights: Mapping[str, float]
) -> Scores:
    """Score every client against the others.

    Args:
        table: The clients to compare.
        readings: By client id, what its zone's grid emits now, of one family; `None` if unknown.
        weights: How much each part counts, as `score_weights` returns them.
    """

    def figures() -> dict[str, Floats | Ints]:
        known = [readings[client] for client in table.ids]
        return {
            "grams_per_update": expected_gco2eqs(table, readings),
            "joule_per_sample": table.energy_per_example_j,
            "latency": table.latency_s,
            "latency_spread": table.latency_spread_s,
            "low_carbon_share": _floats([r.low_carbon_share if r else None for r in known]),
            "energy_price": _floats([r.price_eur_per_mwh if r else None for r in known]),
            "idle_share": table.idle_share,
            "reliability": table.reliability,
            "participation": table.updates,
            "utility": table.utility,
        }

    return Scores(figures, weights, num_clients=len(table))


def expected_gco2eqs(table: ClientTable, readings: Mapping[str, Reading | None]) -> Floats:
    """Return what each client's next update is expected to emit, NaN before experience.

    As `common.units.emitted_gco2eq`: Wh, times gCO2eq/kWh, over 1000.
    """
    return table.energy_per_update_wh * intensities(table, readings) / _WH_PER_KWH


def intensities(table: ClientTable, readings: Mapping[str, Reading | None]) -> Floats:
    """Return the carbon intensity of each client's grid in gCO2eq/kWh, NaN where unknown."""
    known = [readings[client] for client in table.ids]
    return _floats([reading.gco2eq_per_kwh if reading else None for reading in known])


def score_figures(
    figures: Mapping[str, Sequence[float | None]], weights: Mapping[str, float]
) -> Scores:
    """Return the scores of clients of which these figures are known, one a client.

    Args:
        figures: By part, one figure a client; `None` where unknown.
        weights: How much each part counts; those of parts that are not in `figures` are not used.
    """
    columns: dict[str, Floats | Ints] = {name: _floats(each) for name, each in figures.items()}
    return Scores(lambda: columns, weights, num_clients=len(next(iter(columns.values()))))


class Scores(Lazy[Score]):
    """Clients' scores as columns of shape `(num_clients,)`; each is made when it is read.

    Each figure is placed between the 5 % and 95 % quantile of all clients, so that one outlier does
    not flatten the others.

    Args:
        make_figures: Returns by part what was observed; NaN where unknown. It is called when a
            score is first read, as few policies do: read one before clients change.
        weights: How much each part counts; those of other parts are not used.
        num_clients: How many clients there are.
    """

    def __init__(
        self,
        make_figures: Callable[[], Mapping[str, Floats | Ints]],
        weights: Mapping[str, float],
        *,
        num_clients: int,
    ) -> None:
        self._make_figures, self._all_weights, self._num_clients = (
            make_figures, weights, num_clients,
        )  # fmt: skip
        self._placed: dict[str, Floats] = {}

    @cached_property
    def figures(self) -> Mapping[str, Floats | Ints]:
        """By part, what was observed; NaN where unknown."""
        return self._make_figures()

    @cached_property
    def weights(self) -> Mapping[str, float]:
        """How much each of these parts counts."""
        return {name: self._all_weights[name] for name in self.figures}

    @cached_property
    def values(self) -> Floats:
        """The scores, from 0 to 1."""
        return self._mean()

    def _mean(self) -> Floats:
        counted = {
            name: self.weights[name]
            for name, column in self.figures.items()
            if self.weights[name] > 0 and not np.isnan(column).all()
        }
        if not counted:
            return np.full(len(self), 0.5)
        parts = [weight * self._ranks(name) for name, weight in counted.items()]
        mean: Floats = (np.sum(parts, axis=0) / sum(counted.values())).clip(0, 1)
        return mean

    def _ranks(self, name: str) -> Floats:
        # A part that counts nothing is placed only when it is read.
        if name not in self._placed:
            self._placed[name] = _place(self.figures[name], name)
        return self._placed[name]

    def __len__(self) -> int:
        """Return how many clients there are."""
        return self._num_clients

    def make(self, place: int) -> Score:
        """Return the score of the client at a place."""
        figures = [column[place].item() for column in self.figures.values()]
        return Score(
            value=self.values[place].item(),
            weights=self.weights,
            figures=tuple(None if math.isnan(figure) else figure for figure in figures),
            ranks=tuple(self._ranks(name)[place].item() for name in self.figures),
        )


def _place(column: Floats | Ints, name: str) -> Floats:
    """Return every client's rank in one part, the unknown ones at the median of the others."""
    unknown = np.isnan(column)
    known: Floats = np.sort(column.astype(np.float64))[: len(column) - np.count_nonzero(unknown)]
    if known.size == 0:
        return np.full(column.shape, 0.5)
    low, high = (_quantile(known, share) for share in (0.05, 0.95))
    if not high - low > 0:
        return np.full(column.shape, 0.5)
    places = _rank(column, low, high, name)
    if len(known) < len(column):
        middle = _rank(known[[(len(known) - 1) // 2, len(known) // 2]], low, high, name)
        places[unknown] = middle.mean()
    return places


def _rank(figures: Floats | Ints, low: float, high: float, name: str) -> Floats:
    share = ((figures - low) / (high - low)).clip(0, 1)
    rank: Floats = share if name in _MORE_IS_BETTER else 1 - share
    return rank


def _quantile(ordered: Floats, share: float) -> float:
    """Return what `numpy.quantile` would, to the bit; it would take as long as all the rest."""
    position = share * (len(ordered) - 1)
    below = int(position)
    first, last = float(ordered[below]), float(ordered[min(below + 1, len(ordered) - 1)])
    way, step = position - below, last - first
    return first + step * way if way < 0.5 else last - step * (1 - way)  # noqa: PLR2004


def _floats(figures: Sequence[float | None]) -> Floats:
    return np.array(figures, dtype=np.float64)
