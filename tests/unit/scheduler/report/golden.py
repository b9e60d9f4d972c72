"""Three clients over five hours, across a change of intensity, worked out by hand.

Intensities as they were told while work ran, and as measured since, gCO2eq/kWh::

    hour           12   13 | 14   15   16
    FR   told      60   60 | 40   40   40
         measured  60   60 | 44   44   44
    DE   told     400  400 |200  200  200
         measured 400  400 |220
    PL   told     800  800 |600  600  600
         measured      800 |600  620    -     (16 h is not published yet)

Round 1, planned 13:30, closed 15:00; its baseline begins at 12:00::

    a FR 13:30-14:30  100 Wh  booked (60+40)/2 =  50:  5 g   settled (60+44)/2 =  52: 5.2 g
    b DE 14:00-15:00   20 Wh  booked             200:  4 g   settled             220: 4.4 g
    c PL 14:00-14:30   10 Wh  booked             600:  6 g   settled             600: 6.0 g  failed
    baseline: a 12:00-13:00 at 60: 6 g; b 12:30-13:30 at 400: 8 g; 14 g, measured the same
    avoided: booked 14 - 9 = 5 g; settled 14 - 9.6 = 4.4 g
    place: a at (50+300+700)/3 = 350: 35 g; b at (40+200+600)/3 = 280: 5.6 g; 40.6 - 9 = 31.6 g

Round 2, planned 15:00, closed 17:00; its baseline begins at 13:30::

    a FR 15:00-16:00  100 Wh  booked 40:   4 g   settled 44: 4.4 g
    c PL 15:00-17:00   30 Wh  booked 600: 18 g   not settled
    b never answers
    baseline: a 13:30-14:30 at 50: 5 g; c 13:30-15:30 at (800/2 + 1.5*600)/2 = 650: 19.5 g; 24.5 g
    avoided: booked 24.5 - 22 = 2.5 g; settled not known yet
    place: both at 280: 28 g + 8.4 g = 36.4 g; 36.4 - 22 = 14.4 g

Sums: 260 Wh; booked 5+4+6+4+18 = 37 g; settled 5.2+4.4+6+4.4+18 = 38 g, 230 Wh of it measured.
Avoided, booked: 7.5 g of 38.5 g = 19.5 %. Apart: a idles for 10 Wh at 52 and 5 Wh at 44:
0.52 + 0.22 = 0.74 g; b has 0.5 g embodied; each of the five pieces moves bytes for 0.1 Wh:
0.0052 + 0.022 + 0.06 + 0.0044 + 0.06 = 0.1516 g. All: 38 + 0.74 + 0.1516 + 0.5 = 39.3916 g.

The model has 10 values. Each update trains on 100 examples of 1,000 FLOPs: 400,000 FLOPs in all,
so 39.3916 / 10 = 3.93916 g a value and 39.3916 / 400,000 g a FLOP. What failed reports no FLOPs.

At annual factors (typical_day.csv): FR 200 Wh at 99.4, 19.88 g; DE 20 Wh at 481.5, 9.63 g; PL
40 Wh at 819.2, 32.768 g; 62.278 g in all.

Weight: all have 100 examples; a has 1/2 of both versions, b and c of one each: 1/2, 1/4, 1/4.
Jain 1 / (3 (1/4 + 1/16 + 1/16)) = 8/9; elsewhere (1/6 + 1/12 + 1/12) / 2 = 1/6.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from common.messages import Energy, Outcome
from scheduler.ledger.events import (
    AssignmentDeclined,
    AssignmentFailed,
    ReceiptPayload,
    RoundEvaluated,
    RunEnded,
    UpdateAccepted,
)
from tests.unit.scheduler.story import HOUR, NOON, Story, given_up

TOLD = {"FR": (60.0, 40.0), "DE": (400.0, 200.0), "PL": (800.0, 600.0)}

CHANGE = NOON + 2 * HOUR


def told_mean(zone: str, start: datetime, end: datetime) -> float:
    """Return the mean intensity of a zone as it was told, weighted by time."""
    before, after = TOLD[zone]
    early = max(timedelta(), min(end, CHANGE) - start) / (end - start)
    return early * before + (1 - early) * after


def at(hour: float) -> datetime:
    """Return an hour of the day."""
    return NOON + (hour - 12) * HOUR


def golden() -> Story:
    """Return the story of the run."""
    told = Story()
    for client, zone in {"a": "FR", "b": "DE", "c": "PL"}.items():
        told.enrol(client, zone, num_examples=100)
        told.join(client)
        told.gate(client)
    told.start()
    told.now = at(13.5)
    told.plan("a", "b", "c")
    told.now = at(14.5)
    work(told, "a", at(13.5), 100.0, 50.0, idle_wh=10.0)
    work(told, "c", at(14.0), 10.0, 600.0, outcome="failed")
    told.now = at(15.0)
    work(told, "b", at(14.0), 20.0, 200.0, embodied_gco2eq=0.5)
    told.close(mean=told_mean)
    told.tell(RoundEvaluated(metrics={"accuracy": 0.6}), run="r", number=1)
    told.plan("a", "b", "c", target=2)
    told.now = at(16.0)
    work(told, "a", at(15.0), 100.0, 40.0, idle_wh=5.0)
    told.now = at(17.0)
    work(told, "c", at(15.0), 30.0, 600.0)
    told.tell(given_up("deadline"), run="r", number=2, client="b")
    told.close(mean=told_mean)
    told.tell(RoundEvaluated(metrics={"accuracy": 0.8}), run="r", number=2)
    told.tell(RunEnded(reason="stopped"), run="r")
    measured = {
        "FR": {12: 60.0, 13: 60.0, 14: 44.0, 15: 44.0, 16: 44.0},
        "DE": {12: 400.0, 13: 400.0, 14: 220.0},
        "PL": {13: 800.0, 14: 600.0, 15: 620.0},
    }
    for zone, hours in measured.items():
        told.settle(zone, *[(at(hour), value) for hour, value in hours.items()])
    return told


def work(
    told: Story,
    client: str,
    began: datetime,
    energy_wh: float,
    gco2eq_per_kwh: float,
    *,
    outcome: Outcome = "trained",
    idle_wh: float | None = None,
    embodied_gco2eq: float | None = None,
) -> None:
    """Let a client's work be told of that has just ended."""
    energy = Energy(
        energy_wh=energy_wh, method="test", quality="measured", pue=1.0, idle_wh=idle_wh,
        embodied_gco2eq=embodied_gco2eq,
    )  # fmt: skip
    flops = 1000.0 if outcome == "trained" else None
    receipt = told.receipt(
        client, outcome=outcome, started_at=began, energy=energy, flops_per_example=flops
    )
    told.book(_KINDS[outcome], receipt, gco2eq_per_kwh, network_wh=0.1)


_KINDS: Mapping[Outcome, type[ReceiptPayload]] = {
    "trained": UpdateAccepted,
    "declined": AssignmentDeclined,
    "failed": AssignmentFailed,
}
