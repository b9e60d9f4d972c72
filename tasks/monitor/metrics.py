"""The federation's figures for Prometheus, in Flower's ``/metrics``.

Names and units follow Prometheus' own rules: base units (joules, grams, seconds), the unit in the
name. Each figure is read from the ledger when Prometheus scrapes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from common.errors import FairwindError
from scheduler.accounting.totals import Totals
from scheduler.federation.federation import Federation

_JOULES_PER_WH = 3600.0

_TOTALS: dict[str, tuple[str, Callable[[Totals], float]]] = {
    "energy_joules": (
        "Electricity of training, at the wall, counted in a model or not.",
        lambda t: t.energy_wh * _JOULES_PER_WH,
    ),
    "idle_joules": (
        "Electricity of reserved hardware that waited, as far as sites report it.",
        lambda t: t.idle_wh * _JOULES_PER_WH,
    ),
    "unknown_joules": (
        "Electricity of training whose carbon intensity is unknown: in no sum of grams.",
        lambda t: t.unknown_wh * _JOULES_PER_WH,
    ),
    "emissions_booked_grams": (
        "Operational emissions (location-based, CO2eq) at the intensity known when booked.",
        lambda t: t.gco2eq,
    ),
    "emissions_settled_grams": (
        "Operational emissions (location-based, CO2eq), settled by measured intensities.",
        lambda t: t.settled_gco2eq,
    ),
    "emissions_uncounted_grams": (
        "The part of the booked emissions whose work is in no model.",
        lambda t: t.uncounted_gco2eq,
    ),
    "unreported_tasks": (
        "Tasks whose energy was not reported by the site.",
        lambda t: float(t.unreported),
    ),
}


class LedgerCollector(Collector):
    """Reads the ledger at every scrape.

    Args:
        state: Returns the federation as it is now; a `FairwindError` leaves its figures out.
    """

    def __init__(self, state: Callable[[], Federation]) -> None:
        self._state = state

    def describe(self) -> Iterable[Any]:
        """Return nothing: registering must not read a ledger that may not be there yet."""
        return ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield every figure."""
        try:
            state = self._state()
        except FairwindError:
            return
        yield from _totals("client", {c.id: c.totals for c in state.clients.values()})
        yield from _totals("run", {run.id: run.totals for run in state.runs.values()})
        yield from _runs(state)
        yield from _clients(state)
        yield _zones(state)


def _totals(subject: str, totals: dict[str, Totals]) -> Iterator[GaugeMetricFamily]:
    for name, (text, figure) in _TOTALS.items():
        yield _gauge(f"{subject}_{name}", text, subject, {n: figure(t) for n, t in totals.items()})


def _runs(state: Federation) -> Iterator[GaugeMetricFamily]:
    runs = state.runs.values()
    yield _gauge(
        "run_rounds", "Rounds closed.", "run", {run.id: float(len(run.closed)) for run in runs}
    )
    yield _gauge(
        "run_baseline_grams",
        "What the counted work would have emitted had each round run at once, where it is known.",
        "run",
        {run.id: run.closed.sums.baseline_gco2eq for run in runs},
    )
    yield _gauge(
        "run_score",
        "Newest score of the model, by the metric of the run.",
        "run",
        {run.id: run.last_value for run in runs},
    )


def _clients(state: Federation) -> Iterator[GaugeMetricFamily]:
    clients = state.enrolled()
    yield _gauge(
        "client_alive", "1 while the worker sends heartbeats.", "client",
        {c.id: float(c.alive) for c in clients},
    )  # fmt: skip
    yield _gauge(
        "client_gate_open", "1 while the carbon gate is open, by whichever rule.", "client",
        {c.id: float(c.gate.is_open) if c.gate else None for c in clients},
    )  # fmt: skip


def _zones(state: Federation) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "fairwind_zone_intensity_grams_per_kwh",
        "Carbon intensity that holds now (CO2eq); absent while it is unknown.",
        labels=["zone", "source", "quality", "family"],
    )
    for zone, series in sorted(state.grid.items()):
        reading = series.latest
        if reading is not None:
            labels = [zone, reading.source, reading.quality, str(reading.family)]
            family.add_metric(labels, reading.gco2eq_per_kwh)
    return family


def _gauge(
    name: str, text: str, label: str, values: dict[str, float | None] | dict[str, float]
) -> GaugeMetricFamily:
    """Return a gauge; what is unknown is left out, because Prometheus has no value for it."""
    family = GaugeMetricFamily(f"fairwind_{name}", text, labels=[label])
    for subject, value in values.items():
        if value is not None:
            family.add_metric([subject], value)
    return family
