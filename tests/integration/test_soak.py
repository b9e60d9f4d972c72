"""A week of the grid in three minutes: providers misbehave, processes die, Redis forgets."""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from common.clock import GridClock, wall_now
from scheduler.carbon.reading import Reading
from scheduler.ledger.events import GridCaughtUp, GridRead
from tests.fakes.electricity_maps import KEY, FakeElectricityMaps
from tests.fakes.grid import gco2eq_per_kwh
from tests.fakes.neso import FakeNeso
from tests.integration.fleet import Fleet, running_fleet

START = datetime(2026, 7, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURS = 168
SPEED = 3600.0
"""An hour of the grid in a second."""

PER_HOUR = 15
ZONES = {"north": "NO-NO1", "west": "FR", "isle": "GB"}
TRICKS = (
    ("500", ""), ("429", "7200"), ("429", ""), ("401", ""), ("403_html", ""), ("404_as_200", ""),
    ("null", ""), ("null_intensity", ""), ("sandbox", ""), ("wrong_zone", ""), ("gaps", "1"),
    ("naive", ""), ("garbage", ""), ("hang_up", ""), ("huge", ""), ("skew", "5"),
)  # fmt: skip
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_week_has_no_missing_hour_no_broken_budget_and_no_secret(tmp_path):
    clock = GridClock(wall_start=wall_now(), grid_start=START, speed=SPEED)
    with FakeElectricityMaps(clock=clock.now) as em, FakeNeso(clock=clock.now) as neso:
        settings = {
            "FAIRWIND_SIGNAL": "electricity_maps,static",
            "FAIRWIND_SIGNAL_BY_ZONE": '{"GB": "electricity_maps,neso,static"}',
            "FAIRWIND_ELECTRICITY_MAPS_KEY": KEY,
            "FAIRWIND_ELECTRICITY_MAPS_URL": f"{em.url}/v4",
            "FAIRWIND_ELECTRICITY_MAPS_PER_HOUR": str(PER_HOUR),
            "FAIRWIND_NESO_URL": neso.url,
            "FAIRWIND_GRID_SPEED": f"{SPEED:g}",
            "FAIRWIND_GRID_START": START.isoformat(),
            "FAIRWIND_WALL_START": clock.wall_start.isoformat(),
            "FAIRWIND_REFRESH_S": "0.3",
            "FAIRWIND_SETTLE_S": "3",
            "FAIRWIND_TICK_S": "0.3",
            "FAIRWIND_VALID_H": "24",
            "FAIRWIND_THRESHOLD_GCO2EQ_PER_KWH": "300",
        }
        with running_fleet(tmp_path / "soak", ZONES, settings=settings) as fleet:
            fleet.start_run("week", rounds=10_000, cron="0 */3 * * *", quorum=1)
            disturb(fleet, em, clock)
            em.behave()
            end = START + (HOURS + 30) * HOUR
            fleet.local.wait_for(lambda: clock.now() >= end, 120, "the week and a day to pass")
            fleet.local.fairwind("run", "stop", "week")
            fleet.wait_ended("week")

            assert missing_hours(fleet) == {}
            # An hour is a second here: a busy machine may deliver a request that much later than
            # it was admitted, so that three hours hold what four admitted.
            assert most_within(em, 3 * HOUR) <= 4 * PER_HOUR
            assert_settled(fleet)
            assert fleet.ledger.verify().broken_at is None
            kinds = Counter(event.kind for event in fleet.ledger.events())
            assert kinds["signal.fell_back"]
            assert kinds["signal.recovered"]
            assert kinds["grid.caught_up"]
            assert len(fleet.run("week").closed) > 20
            assert_no_secret(fleet)


def disturb(fleet: Fleet, em: FakeElectricityMaps, clock: GridClock) -> None:
    """Misbehave for most of a week; kill the coordinator twice, and empty Redis once."""
    draw = random.Random(7)
    accidents = {40: "coordinator", 80: "redis", 120: "coordinator"}
    while (hour := (clock.now() - START) // HOUR) < HOURS:
        em.behave()
        time.sleep(draw.uniform(1, 4))
        how, value = draw.choice(TRICKS)
        em.misbehave(how, value=value)
        time.sleep(draw.uniform(0.5, 8))
        due = [at for at in accidents if at <= hour]
        for accident in [accidents.pop(at) for at in due]:
            if accident == "redis":
                fleet.redis.flushall()
            else:
                fleet.kill_coordinator()
                time.sleep(2)
                fleet.local.start_coordinator()


def missing_hours(fleet: Fleet) -> dict[str, list[datetime]]:
    """Return, by zone, the hours of the week of which the ledger knows nothing."""
    told: dict[str, list[Reading]] = {zone: [] for zone in ZONES.values()}
    for event in fleet.ledger.events():
        if not isinstance(event.payload, GridRead | GridCaughtUp):
            continue
        for zone, kept in event.payload.readings.items():
            records = kept if isinstance(kept, tuple) else [kept]
            told[zone] += [Reading.from_record(zone, one) for one in records if one]
    missing = {}
    for zone, readings in told.items():
        first = min(reading.start for reading in readings)
        hours = [first + n * HOUR for n in range(HOURS - 4)]
        lacking = [h for h in hours if not any(r.start <= h < r.end for r in readings)]
        if lacking:
            missing[zone] = lacking
    return missing


def most_within(em: FakeElectricityMaps, window: timedelta) -> int:
    """Return the most requests that were made within any such time."""
    times = sorted(request.now for request in em.seen if not request.path.startswith("/_fake"))
    return max(sum(1 for t in times if at <= t < at + window) for at in times)


def assert_settled(fleet: Fleet) -> None:
    """Check that the week's work is settled, at what was measured in its hour."""
    for booking in fleet.state().book:
        start, end = booking.started_at, booking.ended_at
        if start is None or end is None or end > START + HOURS * HOUR:
            continue
        assert booking.settled is not None, booking
        assert booking.settled.sources == ("electricity_maps",), booking
        if start.hour == end.hour and booking.settled.quality == "measured":
            assert booking.settled.gco2eq_per_kwh == gco2eq_per_kwh(booking.zone, start)


def assert_no_secret(fleet: Fleet) -> None:
    """Check that the key stands in no file and nowhere in Redis."""
    for path in fleet.local.folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
    for key in fleet.redis.scan_iter():
        assert KEY.encode() not in (fleet.redis.dump(key) or b""), key
