"""A pool: candidates as columns, for policies that look at all of them at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np
import numpy.typing as npt

from scheduler.policies.selection_context import Candidate

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CandidateTable:
    """Candidates as columns of one length, NaN where a figure is unknown; see `Candidate`.

    Attributes:
        clients: Their ids.
        zones: Every zone that occurs, each once.
        zone: Of each candidate, its place in `zones`.
        make_score: Returns `score`, which few policies read.
        forecasts: By zone and hour, the running one first; shape `(num_zones, hours)`,
            gCO2eq/kWh, NaN from the first hour on that is not known.
    """

    clients: Sequence[str]
    zones: tuple[str, ...]
    zone: Ints
    make_score: Callable[[], Floats]
    updates: Ints
    num_examples: Floats
    utility: Floats
    duration_s: Floats
    energy_wh: Floats
    idle_w: Floats
    gco2eq: Floats
    intensity_gco2eq_per_kwh: Floats
    waited_h: Floats
    forecasts: Floats

    def __len__(self) -> int:
        """Return how many candidates there are."""
        return len(self.clients)

    @property
    def score(self) -> Floats:
        """Of each candidate, its score."""
        return self.make_score()

    def ranked(self, figures: Floats) -> list[int]:
        """Return all places, the least figure first and unknown ones last, ties by id."""
        by_id = np.array(sorted(range(len(self)), key=self.clients.__getitem__), dtype=np.int64)
        places: list[int] = by_id[np.argsort(figures[by_id], kind="stable")].tolist()
        return places

    @classmethod
    def of(cls, candidates: Sequence[Candidate]) -> CandidateTable:
        """Return candidates as columns, which they may be already."""
        if isinstance(candidates, Candidates):
            return candidates.pool
        ahead = {c.zone: c.forecast_gco2eq_per_kwh for c in candidates}
        place = {zone: n for n, zone in enumerate(ahead)}
        forecasts = np.full((len(ahead), max(map(len, ahead.values()), default=0)), np.nan)
        for row, values in zip(forecasts, ahead.values(), strict=True):
            row[: len(values)] = values
        return cls(
            clients=[c.client for c in candidates],
            zones=tuple(ahead),
            zone=np.array([place[c.zone] for c in candidates], dtype=np.int64),
            make_score=lambda: _floats([c.score for c in candidates]),
            updates=np.array([c.updates for c in candidates], dtype=np.int64),
            num_examples=_floats([c.num_examples for c in candidates]),
            utility=_floats([c.utility for c in candidates]),
            duration_s=_floats([c.duration_s for c in candidates]),
            energy_wh=_floats([c.energy_wh for c in candidates]),
            idle_w=_floats([c.idle_w for c in candidates]),
            gco2eq=_floats([c.gco2eq for c in candidates]),
            intensity_gco2eq_per_kwh=_floats([c.intensity_gco2eq_per_kwh for c in candidates]),
            waited_h=_floats([c.waited_h for c in candidates]),
            forecasts=forecasts,
        )


class Candidates(Sequence[Candidate]):
    """A pool's candidates, each made when it is read."""

    def __init__(self, pool: CandidateTable) -> None:
        self.pool = pool

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.pool)

    @overload
    def __getitem__(self, place: int) -> Candidate: ...
    @overload
    def __getitem__(self, place: slice) -> list[Candidate]: ...
    def __getitem__(self, place: int | slice) -> Candidate | list[Candidate]:
        """Return one candidate, or those of a slice."""
        return self._all[place]

    def __iter__(self) -> Iterator[Candidate]:
        """Yield the candidates."""
        return iter(self._all)

    @cached_property
    def _all(self) -> list[Candidate]:
        pool = self.pool
        ahead = [tuple(row[~np.isnan(row)].tolist()) for row in pool.forecasts]
        columns = zip(
            pool.clients, pool.zone.tolist(), pool.score.tolist(), pool.updates.tolist(),
            *map(_known, (pool.num_examples, pool.utility, pool.duration_s, pool.energy_wh)),
            *map(_known, (pool.gco2eq, pool.intensity_gco2eq_per_kwh)), pool.waited_h.tolist(),
            _known(pool.idle_w), strict=True,
        )  # fmt: skip
        return [
            Candidate(
                client, pool.zones[zone], score, updates, num_examples, utility, duration_s,
                energy_wh, gco2eq, intensity, ahead[zone], waited_h, idle_w,
            )
            for (
                client, zone, score, updates, num_examples, utility, duration_s, energy_wh, gco2eq,
                intensity, waited_h, idle_w,
            ) in columns
        ]  # fmt: skip


def _known(column: Floats) -> list[float | None]:
    return [None if math.isnan(figure) else figure for figure in column.tolist()]


def _floats(figures: Sequence[float | None]) -> Floats:
    return np.array(figures, dtype=np.float64)
