"""A zone history: readings of one zone, past and forecast, and the state of each source."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Self

from scheduler.carbon.family import Family
from scheduler.carbon.mean import mean_over
from scheduler.carbon.reading import SUREST_FIRST, Reading
from scheduler.carbon.signal import HOUR, slot_start
from scheduler.ledger.events.grid import Quality

KEPT = timedelta(days=35)
"""Five weeks: the longest past that a forecast or a typical week is made from."""

_GUESSES: frozenset[Quality] = frozenset({"forecast", "stale"})


@dataclass(frozen=True)
class ZoneHistory:
    """Readings of one zone, and the state of its sources, on the grid clock.

    Attributes:
        zone: Electricity Maps zone id.
        readings: In order, none overlapping another; where nothing is known there is a gap.
        response_at: Time of the last response of each source.
        current_until: End of the latest current figure of each source.
        faults: The fault of each source's last request; absent after a response.
        past_at: When the past of each source was last read.
        future_at: When the forecast of each source was last read, or made by Fairwind.
    """

    zone: str
    readings: tuple[Reading, ...] = ()
    response_at: Mapping[str, datetime] = field(default_factory=dict)
    current_until: Mapping[str, datetime] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    past_at: Mapping[str, datetime] = field(default_factory=dict)
    future_at: Mapping[str, datetime] = field(default_factory=dict)

    def reading_at(self, at: datetime) -> Reading | None:
        """Return the reading that holds at an instant, `None` if unknown."""
        index = bisect_right(self.readings, at, key=lambda r: r.start) - 1
        if index < 0 or self.readings[index].end <= at:
            return None
        return self.readings[index]

    def between(self, start: datetime, end: datetime) -> list[Reading]:
        """Return the readings that overlap `[start, end)`, in order."""
        first = bisect_right(self.readings, start, key=lambda r: r.end)
        last = bisect_right(self.readings, end - timedelta.resolution, key=lambda r: r.start)
        return list(self.readings[first:last])

    def is_fresh(self, source: str, now: datetime) -> bool:
        """Return whether `source` has a figure that holds now, so needs no request."""
        until = self.current_until.get(source)
        return until is not None and now < until

    def learn_now(
        self, source: str, news: Sequence[Reading], chain: Sequence[str], now: datetime
    ) -> Self:
        """Return the history with a source's figures for the present; see `learn`."""
        held = [r.end for r in news if r.start <= now < r.end]
        until = {**self.current_until, source: held[0]} if held else self.current_until
        return replace(self.learn(source, news, chain, now), current_until=until)

    def learn(
        self, source: str, news: Sequence[Reading], chain: Sequence[str], now: datetime
    ) -> Self:
        """Return the history with a source's figures: the surer figure of each instant stays.

        Measurements come before forecasts and stale figures; then a source earlier in `chain`;
        then the surer quality; then the later forecast.
        """
        kept = [r for r in self.readings if r.end > now - KEPT]
        faults = {name: text for name, text in self.faults.items() if name != source}
        return replace(
            self,
            readings=_merged(kept, news, chain, now),
            response_at={**self.response_at, source: now},
            faults=faults,
        )

    def supplement(self, readings: Sequence[Reading], chain: Sequence[str], now: datetime) -> Self:
        """Return the history with figures of no response, e.g. Fairwind's own forecast."""
        return replace(self, readings=_merged(self.readings, readings, chain, now))

    def past_of(self, source: str, now: datetime) -> list[Reading]:
        """Return what one source measured or estimated of the time before `now`."""
        return [
            r
            for r in self.readings
            if r.source == source and r.end <= now and r.quality not in _GUESSES
        ]

    def missed(self, source: str, why: str) -> Self:
        """Return the history with the fault of a source."""
        if self.faults.get(source) == why:
            return self
        return replace(self, faults={**self.faults, source: why})

    def bridge(self, source: str, now: datetime, within: timedelta) -> Self | None:
        """Return the history with an outage of `source` bridged: by its forecast or last figure.

        Args:
            source: The source without a response.
            now: The time on the grid clock.
            within: How long an outage is bridged.

        Returns:
            `None` if the outage is longer, or there never was a response.
        """
        response_at = self.response_at.get(source)
        if response_at is None or now - response_at > within:
            return None
        holds = self.reading_at(now)
        if holds is not None and holds.source == source:
            return self
        past = self.past_of(source, now)
        if not past or now - past[-1].end > within:
            return None
        last = past[-1]
        start = max(slot_start(now), last.end)
        carried = replace(
            last, start=start, end=slot_start(now) + HOUR, quality="stale", method="carried_on"
        )
        return self.supplement([carried], [source], now)

    def without_forecasts(self, source: str, now: datetime) -> Self:
        """Return the history without the forecasts and stale figures of `source` from now on."""
        kept = tuple(
            r
            for r in self.readings
            if not (r.source == source and r.quality in _GUESSES and r.end > now)
        )
        return self if kept == self.readings else replace(self, readings=kept)

    def thinned(self, before: datetime) -> Self:
        """Return the history with what is finer than an hour averaged, up to `before`."""
        hours: list[Reading] = []
        for _, group in groupby(self.readings, key=lambda r: (slot_start(r.start), r.source)):
            hours += _averaged(list(group), before)
        return replace(self, readings=tuple(hours))

    def to_dict(self) -> dict[str, Any]:
        """Return the history as JSON can hold it: labels once, figures in rows."""
        labels: dict[tuple[str, str, str, str], int] = {}
        rows = []
        for r in self.readings:
            label = labels.setdefault((r.source, str(r.family), r.quality, r.method), len(labels))
            rows.append(
                [r.start.timestamp(), r.end.timestamp(), label, r.gco2eq_per_kwh,
                 _stamp(r.issued_at), r.low_gco2eq_per_kwh, r.high_gco2eq_per_kwh,
                 r.low_carbon_share, r.price_eur_per_mwh]
            )  # fmt: skip
        return {
            "zone": self.zone,
            "labels": [list(label) for label in labels],
            "rows": rows,
            "response_at": _stamps(self.response_at),
            "current_until": _stamps(self.current_until),
            "faults": dict(self.faults),
            "past_at": _stamps(self.past_at),
            "future_at": _stamps(self.future_at),
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Self:
        """Return the history that `to_dict` made `body` of."""
        labels = [
            (source, Family.parse(family), quality, method)
            for source, family, quality, method in body["labels"]
        ]
        return cls(
            zone=body["zone"],
            readings=tuple(_reading(body["zone"], labels, row) for row in body["rows"]),
            response_at=_times(body["response_at"]),
            current_until=_times(body["current_until"]),
            faults=body["faults"],
            past_at=_times(body["past_at"]),
            future_at=_times(body["future_at"]),
        )


def _merged(
    old: Sequence[Reading], news: Iterable[Reading], chain: Sequence[str], now: datetime
) -> tuple[Reading, ...]:
    """Return readings without overlap: where two hold at once, the surer one stays whole."""
    fresh = sorted(news, key=lambda r: r.start)
    if not fresh:
        return tuple(old)
    start, end = fresh[0].start, max(r.end for r in fresh)
    first = bisect_right(old, start, key=lambda r: r.end)
    last = bisect_right(old, end - timedelta.resolution, key=lambda r: r.start)
    placed: list[Reading] = []
    # Stable: of two equally sure figures the later one, which comes first here, wins.
    for reading in sorted([*fresh, *old[first:last]], key=lambda r: _surety(r, chain, now)):
        _place(placed, reading)
    return (*old[:first], *placed, *old[last:])


def _surety(reading: Reading, chain: Sequence[str], now: datetime) -> tuple[bool, int, int, float]:
    source = chain.index(reading.source) if reading.source in chain else len(chain)
    issued = reading.issued_at.timestamp() if reading.issued_at else 0.0
    return (
        # Nothing is found out of what has not begun, whatever a source that is flat calls it.
        reading.quality in _GUESSES or reading.start > now,
        source,
        SUREST_FIRST.index(reading.quality),
        -issued,
    )


def _place(placed: list[Reading], reading: Reading) -> None:
    """Insert what of a reading no reading placed before covers."""
    index = bisect_right(placed, reading.start, key=lambda r: r.end)
    start = reading.start
    while start < reading.end:
        blocker = placed[index] if index < len(placed) else None
        end = reading.end if blocker is None else min(reading.end, blocker.start)
        if start < end:
            whole = (start, end) == (reading.start, reading.end)
            placed.insert(index, reading if whole else replace(reading, start=start, end=end))
            index += 1
        if blocker is None:
            return
        start, index = max(start, blocker.end), index + 1


def _averaged(group: list[Reading], before: datetime) -> list[Reading]:
    """Return one reading for an hour's parts, if they are its whole and it is over."""
    hour = slot_start(group[0].start)
    parts = len(group) > 1 and group[-1].end == hour + HOUR <= before
    if not parts or sum((r.end - r.start for r in group), timedelta()) < HOUR:
        return group
    mean = mean_over(group, hour, hour + HOUR)
    return [
        replace(
            group[0], start=hour, end=hour + HOUR, gco2eq_per_kwh=mean.gco2eq_per_kwh,
            quality=mean.quality, issued_at=mean.issued_at, low_gco2eq_per_kwh=None,
            high_gco2eq_per_kwh=None,
        )
    ]  # fmt: skip


def _reading(
    zone: str, labels: Sequence[tuple[str, Family, Quality, str]], row: Sequence[Any]
) -> Reading:
    start, end, label, value, issued, low, high, share, price = row
    source, family, quality, method = labels[label]
    return Reading(
        zone, _time(start), _time(end), value, source, family, quality, method,
        _time_or_none(issued), low, high, share, price,
    )  # fmt: skip


def _stamp(time: datetime | None) -> float | None:
    return time.timestamp() if time else None


def _time(stamp: float) -> datetime:
    return datetime.fromtimestamp(stamp, UTC)


def _time_or_none(stamp: float | None) -> datetime | None:
    return None if stamp is None else _time(stamp)


def _stamps(times: Mapping[str, datetime]) -> dict[str, float]:
    return {name: at.timestamp() for name, at in times.items()}


def _times(stamps: Mapping[str, float]) -> dict[str, datetime]:
    return {name: _time(at) for name, at in stamps.items()}
