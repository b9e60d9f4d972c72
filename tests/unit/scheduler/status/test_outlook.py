"""The outlook judges each hour to come as the scheduler will."""

from datetime import datetime, timedelta

from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.reading import Reading
from scheduler.federation.client import Client
from scheduler.gate.gate import GateRule
from scheduler.status.outlook import gates_ahead
from tests.unit.scheduler.story import HOUR, NOON, gate

RULE = GateRule(
    threshold_gco2eq_per_kwh=200.0,
    ceiling_gco2eq_per_kwh=1000.0,
    patience=timedelta(hours=5),
    dwell=timedelta(minutes=30),
)


def hours(*values: float | None, start: datetime = NOON) -> list[Reading]:
    return [
        Reading("FR", start + n * HOUR, start + (n + 1) * HOUR, v, "test", FLOW_TRACED, "forecast")
        for n, v in enumerate(values)
        if v is not None
    ]


def states(readings, *, ahead=3, at=NOON, client=None, allowed=False) -> list[str]:
    who = client or Client("a", "FR", waiting_since=at)
    gates = gates_ahead(who, readings, rule=RULE, now=at, hours=ahead, patience_allowed=allowed)
    return [g.state for g in gates]


def test_gates_follow_the_forecast_hour_by_hour():
    assert states(hours(150, 250, 180)) == ["open", "closed", "open"]


def test_an_hour_without_a_forecast_is_unknown():
    assert states(hours(150, None, 180), ahead=4) == ["open", "unknown", "open", "unknown"]


def test_the_running_hour_is_judged_now_and_the_others_at_their_begin():
    assert states(hours(150, 250), at=NOON + HOUR / 2, ahead=2) == ["open", "closed"]


def test_an_open_gate_dwells_before_it_closes():
    opened = Client("a", "FR", gate=gate("open", since=NOON - timedelta(minutes=10)))
    assert states(hours(250, 250), ahead=2, client=opened) == ["open", "closed"]


def test_patience_opens_once_and_then_starts_anew():
    # Closed since noon; after five hours one exception, and five more until the next.
    found = states(hours(*[500] * 12), ahead=12, allowed=True)
    assert [n for n, state in enumerate(found) if state == "open_by_patience"] == [5, 10]
    assert "open_by_patience" not in states(hours(*[500] * 12), ahead=12, allowed=False)


def test_the_week_that_will_lie_behind_counts_what_is_forecast_until_then():
    # 24 hours from 300 to 530, and 380 now: of 25 values q30 lies at place 7.2, so at 372. When
    # three dirty hours have passed, of 29 values at place 8.4, so at 380.
    past = hours(*[300.0 + 10 * n for n in range(24)], start=NOON - 24 * HOUR)
    assert states([*past, *hours(380, 600, 600, 600, 380)], ahead=5) == [
        "closed", "closed", "closed", "closed", "open",
    ]  # fmt: skip
