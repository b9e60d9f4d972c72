"""Work, grids and rounds from which tests make advice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from common.messages import Energy, EnergyPart
from scheduler.accounting.booking import Booking
from scheduler.advice import Case, RecentWork
from scheduler.advice.chance import PastVerdict, PlannedRound
from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.mean import Mean
from scheduler.carbon.reading import Reading
from scheduler.federation.client import Client
from scheduler.gate.gate import GateRule
from scheduler.selection.score_weights import WEIGHTS
from tests.unit.scheduler.story import HOUR, MINUTE, NOON

DAY = timedelta(days=1)
MONDAY = datetime.fromisoformat("2026-07-06T00:00+00:00")

RULE = GateRule(
    threshold_gco2eq_per_kwh=200.0,
    ceiling_gco2eq_per_kwh=1000.0,
    patience=3 * DAY,
    dwell=timedelta(0),
)


def energy(wh: float, *, gpu_wh: float = 0.0, pue: float = 1.5, **more: Any) -> Energy:
    """Return an energy at the wall, of which GPUs used `gpu_wh` before overhead."""
    parts = (EnergyPart(device="gpu", energy_wh=gpu_wh, method="nvml", quality="measured"),)
    return Energy(
        energy_wh=wh, method="test", quality="measured", pue=pue, parts=parts if gpu_wh else (),
        **more,
    )  # fmt: skip


def work(client: str, at: datetime = NOON, intensity: float | None = 200.0, **more: Any) -> Booking:
    """Return a counted update that ended at `at`: 10 Wh for 1000 examples, unless told else."""
    mean = None if intensity is None else Mean(intensity, FLOW_TRACED, "measured", ("test",), None)
    fields: dict[str, Any] = {
        "run": "r",
        "round": 1,
        "client": client,
        "zone": "DE",
        "outcome": "counted",
        "started_at": at - 5 * MINUTE,
        "ended_at": at,
        "energy": energy(10.0),
        "network_wh": None,
        "examples": 1000,
        "booked": mean,
        "settled": None,
        "comparable": mean is not None,
    }
    return Booking(**(fields | more))


def grid(
    start: datetime, hours: int, intensity: Callable[[datetime], float], **more: Any
) -> tuple[Reading, ...]:
    """Return one reading an hour."""
    times = [start + n * HOUR for n in range(hours)]
    return tuple(
        Reading("DE", t, t + HOUR, intensity(t), "test", FLOW_TRACED, "measured", **more)
        for t in times
    )


def noon_is_clean(at: datetime) -> float:
    """Return 100 gCO2eq/kWh from 10:00 to 16:00 UTC, 300 at other hours."""
    return 100.0 if 10 <= at.hour < 16 else 300.0


def past_round(
    codes: Mapping[str, str],
    grams: Mapping[str, float | None] | None = None,
    *,
    at: datetime = NOON,
    places: int | None = None,
) -> PlannedRound:
    """Return a planned round in which each client got that verdict and expected those grams."""
    known = grams or {}
    verdicts = tuple(
        PastVerdict(name, code, {} if (g := known.get(name)) is None else {"grams_per_update": g})
        for name, code in codes.items()
    )
    return PlannedRound(at, places, verdicts, {"grams_per_update": WEIGHTS["grams_per_update"]})


def case(*bookings: Booking, client: str = "north", **more: Any) -> Case:
    """Return the case of a client in a grid that is clean at noon, five weeks known."""
    now = more.pop("now", NOON)
    fields: dict[str, Any] = {
        "client": Client(client, "DE", alive=True),
        "record": RecentWork(now, more.pop("until", now), bookings, tuple(more.pop("rounds", ()))),
        "past": grid(MONDAY - 28 * DAY, 28 * 24 + 60, noon_is_clean),
        "ahead": grid(now, 25, noon_is_clean),
        "rule": RULE,
    }
    return Case(**(fields | more))
