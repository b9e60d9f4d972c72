"""What the page's data say beside the ledger's view: hours to come, how sure grams are, advice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from common.clock import GridClock
from common.errors import FederationError, LedgerError
from common.messages import Energy
from common.settings import Settings
from scheduler.accounting.booking import Booking
from scheduler.accounting.totals import Totals
from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.mean import Mean
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import slot_start
from scheduler.federation.opening import open_ledger
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientEnrolled, ClientJoined, RunEnded, RunStarted
from tasks.monitor.page.document import Snapshot
from tasks.monitor.source import LedgerSource
from tasks.monitor.totals import client_totals, run_totals
from tasks.monitor.zone_forecasts import outlook
from tests.unit.scheduler.story import HOUR, MINUTE, NOON, spec

NOBODY = "redis://127.0.0.1:9/0"


def reading(hour: int, value: float, **more: Any) -> Reading:
    fields: dict[str, Any] = {"quality": "measured", "source": "em", "family": FLOW_TRACED}
    start = NOON + hour * HOUR
    return Reading("FR", start, start + HOUR, value, **(fields | more))


def expected(hour: int, value: float, issued_at: datetime = NOON) -> Reading:
    return reading(
        hour, value, quality="forecast", method="profile", issued_at=issued_at,
        low_gco2eq_per_kwh=value - 10, high_gco2eq_per_kwh=value + 20,
    )  # fmt: skip


# ---- the hours to come


def test_a_band_opens_from_what_is_known() -> None:
    now = NOON + 30 * MINUTE
    drawn = outlook([reading(0, 100.0), expected(1, 90.0), expected(2, 80.0)], now)
    noon = NOON.timestamp()
    assert drawn["times"] == [noon + 1800, noon + 3600, noon + 7200]
    assert drawn["values"] == [100.0, 90.0, 80.0]
    assert drawn["low"] == [100.0, 80.0, 70.0]
    assert drawn["high"] == [100.0, 110.0, 100.0]


def test_labels_are_those_of_the_hours_to_come() -> None:
    issued = NOON - HOUR
    drawn = outlook([reading(0, 100.0), expected(1, 90.0, issued)], NOON)
    assert drawn["quality"] == "forecast"
    assert drawn["method"] == "profile"
    assert drawn["source"] == "em"
    assert drawn["issued"] == issued.timestamp()


def test_a_gap_in_the_hours_to_come_is_a_gap() -> None:
    drawn = outlook([expected(0, 100.0), expected(1, 90.0), expected(4, 80.0)], NOON)
    noon = NOON.timestamp()
    assert drawn["times"] == [noon, noon + 3600, noon + 7200, noon + 4 * 3600]
    assert drawn["values"] == [100.0, 90.0, None, 80.0]
    assert drawn["low"][2] is drawn["high"][2] is None


def test_figures_without_quantiles_have_no_band() -> None:
    drawn = outlook([reading(0, 100.0, quality="modelled"), reading(1, 90.0)], NOON)
    assert drawn["low"] is drawn["high"] is drawn["issued"] is None


# ---- grams


def work(wh: float | None = 10.0, *, settled: float | None = None, **more: Any) -> Booking:
    """Work of 10 Wh booked at 200 gCO2eq/kWh, thus 2 gCO2eq, unless told else."""
    mean = Mean(200.0, FLOW_TRACED, "forecast", ("em",), None)
    better = Mean(settled, FLOW_TRACED, "measured", ("em",), None) if settled else None
    energy = Energy(energy_wh=wh, method="cpu", quality="modelled", pue=1.0) if wh else None
    fields: dict[str, Any] = {
        "run": "r", "round": 1, "client": "a", "zone": "FR", "outcome": "counted",
        "started_at": NOON, "ended_at": NOON + HOUR, "energy": energy, "network_wh": None,
        "examples": 10, "booked": mean, "settled": better, "comparable": True,
    }  # fmt: skip
    return Booking(**(fields | more))


def totals_of(*bookings: Booking) -> Totals:
    totals = Totals()
    for booking in bookings:
        totals.replace(None, booking)
    return totals


def test_what_is_settled_is_told_as_a_share_of_the_energy() -> None:
    told = run_totals(totals_of(work(30.0, settled=100.0), work(10.0)), settles=True)
    assert told["settled_share"] == pytest.approx(0.75)


def test_what_is_settled_later_raises_the_share() -> None:
    before, after = work(), work(settled=150.0)
    totals = totals_of(before)
    totals.replace(before, after)
    assert run_totals(totals, settles=True)["settled_share"] == pytest.approx(1.0)


def test_a_local_signal_never_settles() -> None:
    assert run_totals(totals_of(work()), settles=False)["settled_share"] is None


def test_idle_and_network_energy_stand_beside() -> None:
    waited = Energy(energy_wh=10.0, method="cpu", quality="modelled", pue=1.0, idle_wh=5.0)
    told = run_totals(totals_of(work(), work(energy=waited, network_wh=0.5)), settles=True)
    # At 200 gCO2eq/kWh: 5 Wh are 1 g, 0.5 Wh are 0.1 g.
    assert (told["idle_wh"], told["idle_gco2eq"]) == (5.0, pytest.approx(1.0))
    assert (told["network_wh"], told["network_gco2eq"]) == (0.5, pytest.approx(0.1))


def test_idle_energy_is_unknown_where_no_site_says_it() -> None:
    told = run_totals(totals_of(work()), settles=True)
    assert told["idle_wh"] is told["idle_gco2eq"] is None


def test_a_clients_unknown_energy_is_told_apart_from_its_grams() -> None:
    totals = totals_of(work(settled=150.0), work(4.0, booked=None, comparable=False), work(None))
    assert client_totals(totals) == {
        "energy_wh": 14.0,
        "gco2eq": pytest.approx(2.0),  # 10 Wh at 200 gCO2eq/kWh
        "settled_gco2eq": pytest.approx(1.5),  # 10 Wh at 150 gCO2eq/kWh
        "unknown_wh": 4.0,
        "apart_gco2eq": 0.0,
        "idle_wh": None,
        "unreported": 1,
    }


# ---- the ledger


@pytest.fixture
def enrolled(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path, redis_url=NOBODY)
    writer = open_ledger(settings.ledger, settings.clock)
    with writer.transaction() as transaction:
        transaction.append(
            Draft(ClientEnrolled(zone="FR", num_examples=None), client="paris"),
            Draft(ClientEnrolled(zone="XX", num_examples=None), client="nowhere"),
        )
    writer.close()
    return settings


@pytest.fixture
def source(enrolled: Settings) -> Iterator[LedgerSource]:
    made = LedgerSource(enrolled)
    yield made
    made.close()


def zones(snapshot: Snapshot) -> dict[str, Any]:
    return {zone: row.get("forecast") for zone, row in snapshot.core["zones"].items()}


def hours(forecast: dict[str, Any]) -> list[float]:
    """Return the times of a forecast, of regular hours or not."""
    regular = [forecast.get("start", 0) + i * 3600 for i in range(len(forecast["values"]))]
    return forecast.get("times") or regular


def hour_of(now: datetime) -> float:
    return slot_start(now).timestamp()


def test_a_local_signal_tells_the_next_24_hours_with_its_own_label(source: LedgerSource) -> None:
    now = hour_of(source.clock().now())
    ahead = zones(source.load_snapshot(None))["FR"]
    assert ahead["quality"] == "modelled"
    assert ahead["source"] == "typical_day"
    assert ahead["low"] is None
    assert hours(ahead)[0] == now
    assert hours(ahead)[-1] - now == 23 * 3600


def test_a_zone_nobody_knows_has_no_forecast(source: LedgerSource) -> None:
    assert zones(source.load_snapshot(None))["XX"] is None


def test_a_run_that_is_over_has_no_hours_to_come(source: LedgerSource, enrolled: Settings) -> None:
    writer = open_ledger(enrolled.ledger, enrolled.clock)
    with writer.transaction() as transaction:
        transaction.append(Draft(RunStarted(spec=spec(id="r")), run="r"))
    assert zones(source.load_snapshot("r"))["FR"]
    with writer.transaction() as transaction:
        transaction.append(Draft(RunEnded(reason="stopped", text=""), run="r"))
    writer.close()
    snapshot = source.load_snapshot("r")
    assert zones(snapshot)["FR"] is None
    assert snapshot.core["run"]["settled_share"] is None


def begin(settings: Settings, **changes: Any) -> None:
    """Let a run begin, for which paris would train."""
    writer = open_ledger(settings.ledger, settings.clock)
    asked = spec(**({"quorum": 1, "policy": "all"} | changes))
    joined = ClientJoined(incarnation="i1", host="h", pid=1)
    with writer.transaction() as transaction:
        transaction.append(
            Draft(joined, client="paris"),
            Draft(RunStarted(spec=asked), run="r"),
        )
    writer.close()


def foreseen(source: LedgerSource, run: str = "r") -> dict[str, Any]:
    """Return the agenda of a run as soon as it has been worked out."""
    while (agenda := source.load_snapshot(run).core["agenda"]) is None:
        pass
    made: dict[str, Any] = agenda
    return made


def test_the_rounds_to_come_are_those_the_policy_would_plan(
    source: LedgerSource, enrolled: Settings
) -> None:
    begin(enrolled, rounds=3)
    agenda = foreseen(source)
    assert agenda["problem"] is None
    held = [each for each in agenda["rows"] if not each["waiting"]]
    assert [each["round"] for each in held] == [1, 2, 3]
    assert held[0]["zones"] == {"FR": 1}
    assert held[0]["why"] == "all invites every open client"
    assert held[0]["end"] <= held[1]["start"]


def test_a_policy_that_fails_costs_the_rounds_to_come_and_nothing_else(
    source: LedgerSource, enrolled: Settings
) -> None:
    begin(enrolled, policy="nobodys:select")
    agenda = foreseen(source)
    assert (agenda["rows"], agenda["num_rounds"]) == ([], 0)
    assert "nobodys:select" in agenda["problem"]
    assert zones(source.load_snapshot("r"))["FR"]


def test_no_rounds_are_to_come_without_a_run(source: LedgerSource) -> None:
    assert source.load_snapshot(None).core["agenda"] is None


def test_where_no_source_was_asked_yet_there_is_no_forecast_and_all_else(
    enrolled: Settings,
) -> None:
    source = LedgerSource(enrolled.model_copy(update={"signal": ("neso", "typical_day")}))
    snapshot = source.load_snapshot(None)
    assert [client["client"] for client in snapshot.clients] == ["paris", "nowhere"]
    assert zones(snapshot) == {"FR": None, "XX": None}
    advice = source.load_advice("paris")
    assert advice["forecast"] is None
    assert any("next 24 hours" in text for text in advice["missing"])
    source.close()


def test_advice_before_any_work_tells_the_grid_and_what_is_missing(source: LedgerSource) -> None:
    advice = source.load_advice("paris")
    assert advice["client"] == "paris"
    assert advice["practice"] is None
    assert advice["totals"]["energy_wh"] == 0.0
    assert len(advice["forecast"]["times"]) in {24, 25}
    assert any(
        "no counted update in the last five weeks of work" in text for text in advice["missing"]
    )


def test_advice_for_a_client_nobody_enrolled_offers_the_nearest(source: LedgerSource) -> None:
    with pytest.raises(FederationError, match="Did you mean paris"):
        source.load_advice("pariss")


def test_advice_without_a_ledger_says_so_and_creates_none(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no ledger"):
        LedgerSource(Settings(home=tmp_path)).load_advice("paris")
    assert list(tmp_path.iterdir()) == []


def test_a_grid_clock_of_its_own_moves_the_hours_to_come(enrolled: Settings) -> None:
    noon = datetime(2026, 7, 8, 12, tzinfo=UTC)
    past = noon - timedelta(days=3650)
    settings = enrolled.model_copy(update={"grid_start": noon, "wall_start": past})
    source = LedgerSource(settings)
    shown = GridClock(wall_start=past, grid_start=noon).now()
    assert source.clock().now().timestamp() == pytest.approx(shown.timestamp(), abs=60)
    assert hours(zones(source.load_snapshot(None))["FR"])[0] == hour_of(shown)
    source.close()
