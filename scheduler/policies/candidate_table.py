"""A pool: candidates as columns, for policies that look at all of them at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import overload

import numpy as np
import numpy.typing as npt

from scheduler.policies.selection_context import Candidate

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class CandidateTable:
    """Candidates as columns of one length, NaN where a figure is unknown; see `Candidate`.

    Args:
        clients: Their ids.
        zones: Every zone that occurs, each once.
        zone: Of each candidate, its place in `zones`.
        forecasts: By zone and hour, the running one first; shape `(num_zones, hours)`,
            gCO2eq/kWh, NaN from the first hour on that is not known.
        make: Returns the column of a name. Called when that is first read: few policies read all.
    """

    def __init__(
        self,
        clients: Sequence[str],
        *,
        zones: tuple[str, ...],
        zone: Ints,
        forecasts: Floats,
        make: Callable[[str], Floats],
    ) -> None:
        self.clients, self.zones, self.zone, self.forecasts = clients, zones, zone, forecasts
        self._make = make

    def __len__(self) -> int:
        """Return how many candidates there are."""
        return len(self.clients)

    @cached_property
    def updates(self) -> Ints:
        """Counted updates so far, in whichever run."""
        return self._make("updates").astype(np.int64)

    @cached_property
    def score(self) -> Floats:
        """From 0 to 1 (best)."""
        return self._make("score")

    @cached_property
    def num_examples(self) -> Floats:
        """What it enrolled with, at most."""
        return self._make("num_examples")

    @cached_property
    def utility(self) -> Floats:
        """Statistical utility of its last updates."""
        return self._make("utility")

    @cached_property
    def duration_s(self) -> Floats:
        """Wall seconds from issue to acceptance."""
        return self._make("duration_s")

    @cached_property
    def energy_wh(self) -> Floats:
        """Energy of an update with all local epochs, Wh."""
        return self._make("energy_wh")

    @cached_property
    def idle_w(self) -> Floats:
        """Power while it is reserved and waits, W."""
        return self._make("idle_w")

    @cached_property
    def gco2eq(self) -> Floats:
        """What such an update is expected to emit now."""
        return self._make("gco2eq")

    @cached_property
    def intensity_gco2eq_per_kwh(self) -> Floats:
        """Of its grid now."""
        return self._make("intensity_gco2eq_per_kwh")

    @cached_property
    def waited_h(self) -> Floats:
        """Grid hours since it last trained, or since its gate was last open if later."""
        return self._make("waited_h")

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
            forecasts=forecasts,
            make=lambda name: np.array([getattr(c, name) for c in candidates], dtype=np.float64),
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
