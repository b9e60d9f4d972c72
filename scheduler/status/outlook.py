"""The outlook: how a client's gate is expected to stand, hour by hour, under the forecast."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime

from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR, slot_start
from scheduler.carbon.week import UNKNOWN, WEEK, week_of
from scheduler.federation.client import Client
from scheduler.gate.gate import Gate, GateRule
from scheduler.gate.judge import ZoneJudge


def gates_ahead(
    client: Client,
    readings: Sequence[Reading],
    *,
    rule: GateRule,
    now: datetime,
    hours: int,
    patience_allowed: bool,
) -> list[Gate]:
    """Return the gate expected in each hour, the running one first.

    Each is judged as the scheduler will judge it then, from the gate of the hour before and from
    the week that will lie behind; an exception by patience is taken to be used at once.

    Args:
        client: Its present gate, and since when it waits.
        readings: Of its zone, past and to come, in order; where there is none it is unknown.
        rule: When gates open and close.
        now: The time on the grid clock, aware.
        hours: How many gates.
        patience_allowed: Whether the gram budget allows exceptions.
    """
    starts = [reading.start for reading in readings]
    gate, waiting_since = client.gate, client.waiting_since or now
    ahead: list[Gate] = []
    for at in (now, *(slot_start(now) + n * HOUR for n in range(1, hours))):
        index = bisect_right(starts, at) - 1
        reading = readings[index] if index >= 0 and at < readings[index].end else None
        past = readings[bisect_right(starts, at - WEEK - HOUR) : index + 1]
        week = week_of(reading, past, at) if reading else UNKNOWN
        was_open = gate is not None and gate.state == "open"
        judge = ZoneJudge(reading, week, rule=rule, now=at, patience_allowed=patience_allowed)
        gate = judge.gate(gate, waiting_since)
        if gate.state == "open_by_patience" or (was_open and not gate.is_open):
            waiting_since = at
        ahead.append(gate)
    return ahead
