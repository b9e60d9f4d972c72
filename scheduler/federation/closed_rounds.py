"""The closed rounds of a run: the last ones at hand, the others in the archive."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import overload

from pydantic import TypeAdapter

from scheduler.federation.closed_round import ClosedRound
from scheduler.ledger.archive import Archive
from scheduler.ledger.events import Evaluation

AT_HAND = 2048
"""So many updates of the last rounds stay decoded; a page is made when there are twice as many."""


_HALF_PERMILLE = 500

LOOKED_AT = 8
"""So often, in rounds, it is seen to whether there are too many."""


@dataclass(slots=True)
class ClosedSums:
    """Sums over the closed rounds; `None` where any of them is unknown.

    Attributes:
        energy_wh: Energy of the updates that count, Wh.
        gco2eq: Their emissions as booked, gCO2eq.
        baseline_gco2eq: What the same work would have emitted without waiting, gCO2eq.
        fleet_gco2eq: What it would have emitted spread over all zones, gCO2eq.
        rounds: How many rounds each client had an update in.
        weights: What its updates weighed in each version, relative to all there, summed; with a
            running divisor, relative to that, and with a robust rule, what this kept of it.
        kept_permille: With a robust rule, what each client kept of its weight, summed.
        below_half: In how many of its last rounds, without a break, it kept less than half.
    """

    energy_wh: float = 0.0
    gco2eq: float = 0.0
    baseline_gco2eq: float | None = 0.0
    fleet_gco2eq: float | None = 0.0
    rounds: Counter[str] = field(default_factory=Counter)
    weights: dict[str, float] = field(default_factory=dict)
    kept_permille: Counter[str] = field(default_factory=Counter)
    below_half: dict[str, int] = field(default_factory=dict)

    def add(self, closed: ClosedRound) -> None:
        """Take in one more round."""
        self.energy_wh += closed.energy_wh
        self.gco2eq += closed.gco2eq
        self.baseline_gco2eq = _plus(self.baseline_gco2eq, closed.baseline_gco2eq)
        self.fleet_gco2eq = _plus(self.fleet_gco2eq, closed.fleet_gco2eq)
        self.rounds.update(closed.cohort)
        weights = {line.client: line.weight for line in closed.manifest}
        if closed.robust is not None:
            weights = closed.robust.shares_permille
            self._add_kept(weights)
        total = sum(weights.values())
        if closed.total is not None and closed.divisor is not None:
            total = closed.divisor
        for client, weight in weights.items():
            self.weights[client] = self.weights.get(client, 0.0) + weight / total

    def _add_kept(self, shares_permille: Mapping[str, int]) -> None:
        self.kept_permille.update(shares_permille)
        for client, share in shares_permille.items():
            is_below = share < _HALF_PERMILLE
            self.below_half[client] = self.below_half.get(client, 0) + 1 if is_below else 0


@dataclass(slots=True)
class RoundPage:
    """A page of the archive: `count` rounds, the first of them at place `first`."""

    name: str
    first: int
    count: int


@dataclass(slots=True)
class ClosedRounds(Sequence[ClosedRound]):
    """A run's closed rounds, oldest first: round n is at place n - 1.

    Attributes:
        archive: Has the pages.
        pages: Of the oldest rounds.
        recent: The last rounds, after those in the pages.
        sums: Over all of them.
    """

    archive: Archive = field(default_factory=Archive, compare=False, repr=False)
    pages: list[RoundPage] = field(default_factory=list)
    recent: list[ClosedRound] = field(default_factory=list)
    sums: ClosedSums = field(default_factory=ClosedSums)

    def __len__(self) -> int:
        return self._num_archived + len(self.recent)

    def __iter__(self) -> Iterator[ClosedRound]:
        for page in self.pages:
            yield from self.archive.page(_kind(), page.name)
        yield from self.recent

    @overload
    def __getitem__(self, place: int) -> ClosedRound: ...

    @overload
    def __getitem__(self, place: slice) -> list[ClosedRound]: ...

    def __getitem__(self, place: int | slice) -> ClosedRound | list[ClosedRound]:
        if isinstance(place, slice):
            return [self._at(each) for each in range(*place.indices(len(self)))]
        wanted = place if place >= 0 else place + len(self)
        if not 0 <= wanted < len(self):
            raise IndexError(place)
        return self._at(wanted)

    def find(self, number: int) -> ClosedRound | None:
        """Return the round of a number, `None` if it is not closed."""
        return self[number - 1] if 1 <= number <= len(self) else None

    def append(self, closed: ClosedRound) -> None:
        """Add a round that has just closed."""
        self.recent.append(closed)
        self.sums.add(closed)

    def evaluate(
        self, number: int, evaluation: Evaluation, *, beside: bool = False
    ) -> ClosedRound | None:
        """Give the version of a round its score, and return the round; `None` if there is none.

        Args:
            number: Of the round.
            evaluation: What its version is worth.
            beside: Whether that is what its sites found beside the coordinator.
        """
        place = number - 1 - self._num_archived
        if not 0 <= place < len(self.recent):
            return self._evaluate_archived(number, evaluation, beside=beside)
        self.recent[place] = _evaluated(self.recent[place], evaluation, beside=beside)
        return self.recent[place]

    def shelve(self) -> None:
        """Move the oldest of the last rounds into the archive if they have too many updates."""
        if len(self.recent) % LOOKED_AT:
            return
        weight = sum(map(_weight, self.recent))
        if weight < 2 * AT_HAND:
            return
        taken = 0
        while weight > AT_HAND and taken < len(self.recent) - 2:
            weight -= _weight(self.recent[taken])
            taken += 1
        self._archive_first(taken)

    def shelve_all(self) -> None:
        """Move all but the last two rounds into the archive: the run is over."""
        self._archive_first(len(self.recent) - 2)

    def copy(self) -> ClosedRounds:
        """Return the same rounds; what is appended to either is not in the other."""
        sums = replace(
            self.sums,
            rounds=Counter(self.sums.rounds), weights=dict(self.sums.weights),
            kept_permille=Counter(self.sums.kept_permille), below_half=dict(self.sums.below_half),
        )  # fmt: skip
        return ClosedRounds(self.archive, list(self.pages), list(self.recent), sums)

    @property
    def _num_archived(self) -> int:
        return self.pages[-1].first + self.pages[-1].count if self.pages else 0

    def _at(self, place: int) -> ClosedRound:
        if place >= self._num_archived:
            return self.recent[place - self._num_archived]
        page = self._page_of(place)
        return self.archive.page(_kind(), page.name)[place - page.first]

    def _page_of(self, place: int) -> RoundPage:
        return self.pages[bisect_right(self.pages, place, key=lambda page: page.first) - 1]

    def _archive_first(self, count: int) -> None:
        if count > 0:
            name = self.archive.put_page(_kind(), self.recent[:count])
            self.pages.append(RoundPage(name, self._num_archived, count))
            del self.recent[:count]

    def _evaluate_archived(
        self, number: int, evaluation: Evaluation, *, beside: bool
    ) -> ClosedRound | None:
        if not 1 <= number <= self._num_archived:
            return None
        page = self._page_of(number - 1)
        rounds, place = list(self.archive.page(_kind(), page.name)), number - 1 - page.first
        rounds[place] = _evaluated(rounds[place], evaluation, beside=beside)
        self.archive.drop(page.name)
        page.name = self.archive.put_page(_kind(), rounds)
        return rounds[place]


@cache
def _kind() -> TypeAdapter[list[ClosedRound]]:
    return TypeAdapter(list[ClosedRound])


def _evaluated(closed: ClosedRound, evaluation: Evaluation, *, beside: bool) -> ClosedRound:
    if beside:
        return replace(closed, at_sites=evaluation)
    return replace(closed, evaluation=evaluation)


def _weight(closed: ClosedRound) -> int:
    return 1 + len(closed.updates)


def _plus(total: float | None, value: float | None) -> float | None:
    return None if total is None or value is None else total + value
