"""A federation on live grids: real workers, a fake provider on a real socket, a fast clock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from common.clock import GridClock, wall_now
from scheduler.carbon.reading import Reading
from scheduler.ledger.events import (
    GridCaughtUp,
    GridRead,
    GridSettled,
    SignalFellBack,
    SignalRecovered,
    UpdateAccepted,
)
from tasks.coordinator.zone_histories import ZoneHistories
from tasks.roles import carbon_folder
from tests.fakes.electricity_maps import KEY, FakeElectricityMaps
from tests.fakes.grid import expected_gco2eq_per_kwh, gco2eq_per_kwh
from tests.fakes.neso import FakeNeso
from tests.integration.fleet import Fleet, running_fleet

START = datetime(2026, 7, 8, tzinfo=UTC)
SPEED = 600.0
"""An hour of the grid in six seconds."""


def fast_clock() -> GridClock:
    return GridClock(wall_start=wall_now(), grid_start=START, speed=SPEED)


def on_grids(em: FakeElectricityMaps, clock: GridClock, **settings: str) -> dict[str, str]:
    return {
        "FAIRWIND_SIGNAL": "electricity_maps,static",
        "FAIRWIND_ELECTRICITY_MAPS_KEY": KEY,
        "FAIRWIND_ELECTRICITY_MAPS_URL": f"{em.url}/v4",
        "FAIRWIND_GRID_SPEED": f"{clock.speed:g}",
        "FAIRWIND_GRID_START": clock.grid_start.isoformat(),
        "FAIRWIND_WALL_START": clock.wall_start.isoformat(),
        "FAIRWIND_REFRESH_S": "0.5",
        "FAIRWIND_SETTLE_S": "2",
        "FAIRWIND_THRESHOLD_GCO2EQ_PER_KWH": "1500",
        "FAIRWIND_CEILING_GCO2EQ_PER_KWH": "2000",
        "FAIRWIND_STALE_H": "0",
    } | settings


@pytest.fixture(scope="module")
def em() -> Iterator[FakeElectricityMaps]:
    with FakeElectricityMaps() as fake:
        yield fake


@pytest.fixture(scope="module")
def fleet(em: FakeElectricityMaps, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    clock = fast_clock()
    em.clock = clock.now
    folder = tmp_path_factory.mktemp("live") / "federation"
    settings = on_grids(em, clock)
    with running_fleet(folder, {"north": "NO-NO1", "west": "FR"}, settings=settings) as started:
        yield started


@pytest.fixture(autouse=True)
def _well_behaved(em: FakeElectricityMaps) -> Iterator[None]:
    em.behave()
    yield
    em.behave()


def told(fleet: Fleet, client: str) -> str:
    """Return the state of a client's gate."""
    gate = fleet.state().clients[client].gate
    return gate.state if gate else "none"


def reading(fleet: Fleet, zone: str) -> Reading | None:
    """Return what the ledger was last told of a zone."""
    series = fleet.state().grid.get(zone)
    return series.latest if series else None


def test_work_is_booked_at_what_the_provider_said_and_settled_when_it_has_measured(fleet: Fleet):
    fleet.wait(lambda: told(fleet, "west") == "open", "an open gate")
    fleet.start_run("booked", rounds=2)
    fleet.wait_ended("booked")
    for event in fleet.events("update.accepted", "booked"):
        assert isinstance(event.payload, UpdateAccepted)
        work = event.payload.work
        zone = fleet.state().clients[event.client].zone
        start, end = work.grid_started_at, work.grid_ended_at
        assert work.intensity is not None
        assert work.intensity.sources == ("electricity_maps",)
        assert work.intensity.family == "average, lifecycle, consumption"
        around = {gco2eq_per_kwh(zone, at) for at in (start, end)}
        around |= {expected_gco2eq_per_kwh(zone, at) for at in (start, end)}
        assert min(around) <= work.intensity.gco2eq_per_kwh <= max(around)

    def settled() -> bool:
        bookings = [b for b in fleet.state().book if b.run == "booked"]
        return bool(bookings) and all(b.settled is not None for b in bookings)

    fleet.wait(settled, "measured intensities of all work")
    for booking in fleet.state().book:
        begun, ended = booking.started_at, booking.ended_at
        if booking.run == "booked" and begun and ended and begun.hour == ended.hour:
            assert booking.settled is not None
            assert booking.settled.gco2eq_per_kwh == gco2eq_per_kwh(booking.zone, begun)
            assert booking.settled.quality == "measured"


def test_the_next_source_speaks_while_the_first_is_down_and_the_ledger_says_why(
    fleet: Fleet, em: FakeElectricityMaps
):
    seen = fleet.state().seq
    em.misbehave("500")

    def since(kind: type[SignalFellBack | SignalRecovered]) -> list[str]:
        events = fleet.ledger.events(after=seen)
        return sorted(e.payload.zone for e in events if isinstance(e.payload, kind))

    fleet.wait(lambda: since(SignalFellBack) == ["FR", "NO-NO1"], "both zones to fall back")
    fell = fleet.payloads(SignalFellBack)[-1]
    assert (fell.expected, fell.active_source) == ("electricity_maps", "static")
    assert "electricity_maps" in fell.why
    shown = json.loads(fleet.local.fairwind("signal", "--json").stdout)
    assert [zone["active_source"] for zone in shown["zones"]] == ["static", "static"]
    assert "HTTP 500" in shown["accounts"][0]["last_fault"]
    status = fleet.local.fairwind("status").stdout
    assert "For FR and NO-NO1, static is used instead of electricity_maps." in status
    em.behave()
    fleet.wait(lambda: since(SignalRecovered) == ["FR", "NO-NO1"], "both zones to recover")


def test_a_zone_history_that_somebody_writes_into_redis_opens_no_gate(fleet: Fleet):
    """An attack: north is said to be at 0 g, with everything that made others read it."""
    kept = ZoneHistories(carbon_folder(fleet.home)).zone("NO-NO1")
    forged = replace(
        kept, readings=tuple(replace(each, gco2eq_per_kwh=0.0) for each in kept.readings)
    )
    seen, before = fleet.state().seq, reading(fleet, "NO-NO1")
    assert before is not None
    fleet.redis.set("fairwind:carbon:zone:NO-NO1", json.dumps(forged.to_dict()))
    fleet.redis.incr("fairwind:carbon:changes")
    fleet.redis.set("fairwind:carbon:flight:NO-NO1", "mine")
    fleet.wait(lambda: reading(fleet, "NO-NO1") != before, "the next reading of north")
    read = [event.payload for event in fleet.ledger.events(after=seen)]
    figures = [
        record.gco2eq_per_kwh
        for payload in read
        if isinstance(payload, (GridRead, GridCaughtUp, GridSettled))
        for records in payload.readings.values()
        for record in (records if isinstance(records, tuple) else (records,))
        if record is not None
    ]
    assert figures
    assert min(figures) > 0


def test_the_key_is_nowhere(fleet: Fleet, em: FakeElectricityMaps):
    em.misbehave("401", times=2)
    fleet.wait(lambda: em.counts, "a request")
    written = [path for path in fleet.local.folder.rglob("*") if path.is_file()]
    assert any(path.name == "ledger.sqlite" for path in written)
    for path in written:
        assert KEY.encode() not in path.read_bytes(), path
    for key in fleet.redis.scan_iter():
        assert KEY.encode() not in (fleet.redis.dump(key) or b""), key
    assert KEY not in fleet.local.fairwind("settings").stdout


def test_with_every_source_down_gates_are_unknown_and_every_screen_says_so(tmp_path):
    clock = fast_clock()
    with FakeElectricityMaps(clock=clock.now) as em:
        settings = on_grids(em, clock, FAIRWIND_SIGNAL="electricity_maps")
        em.misbehave("500")
        with running_fleet(tmp_path / "down", {"west": "FR"}, settings=settings) as fleet:
            fleet.start_run("dark", rounds=1, quorum=1)
            fleet.wait(lambda: told(fleet, "west") == "unknown", "an unknown gate")
            fleet.wait(lambda: fleet.state().signals.get("FR"), "the ledger to say so")
            assert fleet.state().signals["FR"].active_source is None
            assert "unknown" in fleet.local.fairwind("clients").stdout
            assert "signal" in fleet.local.fairwind("status").stdout.lower()
            assert not fleet.events("update.accepted", "dark")
            em.behave()
            assert fleet.wait_ended("dark").closed


def test_a_fallback_of_another_family_is_booked_and_gates_as_unknown(tmp_path):
    clock = fast_clock()
    with FakeElectricityMaps(clock=clock.now) as em, FakeNeso(clock=clock.now) as neso:
        settings = on_grids(
            em, clock, FAIRWIND_SIGNAL="electricity_maps,neso", FAIRWIND_NESO_URL=neso.url,
            FAIRWIND_UNKNOWN_GRID="patience", FAIRWIND_PATIENCE_H="0.5",
        )  # fmt: skip
        em.misbehave("500")
        with running_fleet(tmp_path / "mixed", {"isle": "GB"}, settings=settings) as fleet:
            fleet.wait(lambda: reading(fleet, "GB"), "a reading")
            assert told(fleet, "isle") in ("unknown", "open_by_patience")
            fleet.start_run("apart", rounds=1, quorum=1)
            fleet.wait_ended("apart")
            (accepted,) = fleet.payloads(UpdateAccepted, "apart")
            work = accepted.work
            assert work.intensity is not None
            assert work.intensity.sources == ("neso",)
            assert work.intensity.family == "average, direct, consumption"
            assert work.gco2eq is None
            assert work.gco2eq_apart is not None
            assert work.gco2eq_apart > 0
            assert fleet.run("apart").totals.gco2eq == 0
            assert fleet.run("apart").totals.apart_gco2eq > 0


def test_the_hours_to_come_are_drawn_from_the_forecast(fleet: Fleet):
    fleet.wait(lambda: told(fleet, "west") == "open", "an open gate")
    drawn = fleet.local.fairwind("plan", "--horizon", "12").stdout
    assert "west   ████████████  open throughout" in drawn
    ahead = json.loads(fleet.local.fairwind("plan", "--horizon", "12", "--json").stdout)
    assert [hour["state"] for hour in ahead["gates"]["north"]] == ["open"] * 12
