"""Whatever a site reports, no figure stops the federation: rounds go on, and a stop is obeyed."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.messages import BlobRef, Energy, EnergyPart, Heartbeat, Reason, Timings, read_receipt
from scheduler.federation.federation import Federation
from scheduler.federation.fold import apply
from scheduler.federation.snapshot import dump, load
from scheduler.ledger.archive import Archive
from scheduler.ledger.events import ClientClockCompared, UpdateAccepted
from scheduler.rounds.observations import heartbeat_events
from tests.unit.scheduler.rounds.memory_world import MemoryWorld
from tests.unit.scheduler.story import HOUR, MINUTE, NOON

CENTURY = 100 * 8766 * HOUR


def energy(energy_wh: float, **changes: Any) -> Energy:
    return Energy(energy_wh=energy_wh, method="x", quality="measured", **({"pue": 1.0} | changes))


def under_attack(held_out: int = 5, **changes: Any) -> MemoryWorld:
    """Return a run of two rounds in which every receipt of client a is changed so."""
    world = MemoryWorld("a", "b", scored_here=False, held_out=held_out)
    world.work.changes["a"] = changes
    world.start(rounds=2)
    world.play(4 * HOUR)
    return world


def finite(state: object) -> bool:
    """Return whether a snapshot of the state holds finite figures alone, and comes back."""

    def refuse(word: str) -> float:
        raise AssertionError(word)

    json.loads(dump(state), parse_constant=refuse)  # type: ignore[arg-type]
    load(dump(state), Archive())  # type: ignore[arg-type]
    return True


POISON: dict[str, dict[str, Any]] = {
    "metrics": {"metrics": {"accuracy": 1.7e308, "loss": -1.7e308}, "num_held_out": 2**39},
    "energy": {"energy": energy(1e306)},
    "energy to the last": {"energy": energy(1.7e308)},
    "next to no energy": {"energy": energy(2.2e-311)},
    "a part": {
        "energy": energy(
            1.0, parts=(EnergyPart(device="gpu", energy_wh=1e308, method="x", quality="shared"),)
        )
    },
    "pue": {"energy": energy(1.0, pue=1e308)},
    "idle": {"energy": energy(1.0, idle_wh=1.7e308, idle_s=1.7e308)},
    "embodied": {"energy": energy(1.0, embodied_gco2eq=1.7e308)},
    "a century": {"started_at": NOON - CENTURY, "energy": energy(2.0)},
    "a century to come": {"ended_at": NOON + CENTURY, "energy": energy(2.0)},
    "timings": {"timings": Timings(train_s=1.7e308, queue_s=-1.7e308, pull_s=1.7e308)},
    "utility": {"utility": 1.7e308, "loss": 1.7e308},
    "examples": {"num_examples": 2**40 - 1, "num_steps": 2**40 - 1},
    "frozen": {"frozen_nbytes": 2**50 - 1},
    "bytes": {"update": BlobRef(key="x", sha256="0" * 64, nbytes=2**50 - 1)},
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_a_poisoned_receipt_does_not_stop_a_run(poison):
    world = under_attack(**poison)
    assert world.run().end_reason == "rounds"
    assert "run.blocked" not in world.kinds()
    assert finite(world.history.state)
    for booking in world.history.state.book:
        assert booking.started_at is None or booking.started_at >= NOON
        assert booking.network_wh is None or booking.network_wh <= 1


def test_the_mean_over_sites_is_that_of_those_whose_figures_are_possible():
    """Each client is enrolled with 10 examples, so a claims 10 held-out ones at most."""
    world = under_attack(metrics={"accuracy": 1e308}, num_held_out=2**39)
    evaluation = world.run().closed[0].held_out
    assert evaluation is not None
    assert evaluation.metrics == {"accuracy": 0.5}
    assert (evaluation.sites, evaluation.examples) == (2, 15)
    assert evaluation.partly["accuracy"].examples == 5
    heavy = under_attack(metrics={"accuracy": 0.0}, num_held_out=2**39).run().closed[0].held_out
    assert heavy is not None
    assert heavy.metrics["accuracy"] == pytest.approx(0.5 * 5 / 15)


def test_an_impossible_energy_is_booked_as_unknown():
    world = under_attack(energy=energy(1e306))
    found = [b for b in world.history.state.book if b.client == "a"]
    # Two updates, and the score of the last version.
    assert [(b.energy, b.gco2eq) for b in found] == [(None, None)] * 3
    assert world.run().totals.energy_wh == sum(b.energy_wh or 0.0 for b in world.history.state.book)


class Poisoned(MemoryWorld):
    """A ledger that was poisoned before anybody looked at what it was given."""

    def poison(self, **work: Any) -> None:
        for index, event in enumerate(self.history.events):
            if event.client == "a" and isinstance(event.payload, UpdateAccepted):
                changed = event.payload.work.model_copy(update=work)
                payload = event.payload.model_copy(update={"work": changed})
                self.history.events[index] = replace(event, payload=payload)


@pytest.mark.parametrize(
    "changes",
    [
        {"metrics": {"accuracy": 1.7e308}, "num_held_out": 2**39},
        {"energy": energy(1e306), "gco2eq": 1e308},
        {"grid_started_at": NOON - CENTURY},
        {"utility": 1.7e308, "loss": -1.7e308},
    ],
)
def test_a_ledger_that_is_poisoned_already_is_read_without_it(changes):
    world = Poisoned("a", "b", scored_here=False, held_out=5)
    world.start(rounds=3)
    world.play(2 * MINUTE)
    world.poison(**changes)
    again = Federation()
    for event in world.history.events:
        apply(again, event)
    world.history.state = again
    world.work._state = again
    world.play(4 * HOUR)
    assert again.runs["r"].end_reason == "rounds"
    assert finite(again)
    assert sum(len(hours) for hours in again.book.by_hour.values()) <= 60


def test_a_stop_is_obeyed_after_a_poisoned_receipt():
    world = MemoryWorld("a", "b", scored_here=False, held_out=5)
    world.work.changes["a"] = POISON["metrics"] | POISON["energy"]
    world.start(rounds=1000)
    world.play(10 * MINUTE)
    world.stop()
    world.engine.advance()
    assert world.run().end_reason == "stopped"


def beat(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "client": "a", "incarnation": "i1", "host": "h", "pid": 1, "at": NOON.isoformat(),
    }  # fmt: skip
    return fields | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"clock_ahead_s": 1e308},
        {"clock_ahead_s": -1e12},
        {"kept_s": 10**30},
        {"pid": 10**30},
        {"at": "9999-12-31T23:59:59-14:00"},
        {"at": "0001-01-01T00:00:00+14:00"},
        {"host": "h" * 256},
        {"busy": "r" * 129},
    ],
)
def test_a_heartbeat_beyond_its_bounds_is_refused(changes):
    with pytest.raises(ValueError, match="1 validation error"):
        Heartbeat.model_validate(beat(**changes))


def test_a_clock_recorded_as_impossible_blocks_no_receipt():
    world = MemoryWorld("a", "b")
    world.happen(ClientClockCompared(ahead_s=1e308), client="a")
    world.start(rounds=1)
    world.play(2 * HOUR)
    assert world.run().end_reason == "rounds"
    ready = Heartbeat.model_validate(beat(clock_ahead_s=3e9))
    assert heartbeat_events(world.history.state.clients, {"a": ready})


TIMES = ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59-14:00", "2200-01-02T00:00:00Z"]
WHOLE: dict[str, Any] = {
    "run": "r", "round": 1, "client": "a", "attempt": 0, "outcome": "failed",
    "started_at": NOON.isoformat(), "ended_at": NOON.isoformat(), "sent_at": NOON.isoformat(),
    "incarnation": "i",
}  # fmt: skip


@pytest.mark.parametrize("field", ["started_at", "ended_at", "sent_at"])
@pytest.mark.parametrize("time", TIMES)
def test_a_receipt_of_no_time_is_a_failure_of_its_site_and_says_so(field, time):
    receipt = read_receipt(WHOLE | {field: time})
    assert receipt.outcome == "failed"
    assert receipt.reason is not None
    assert f"{field}: Value error, no clock shows the year" in receipt.reason.text


def test_the_name_of_a_metric_is_short_and_so_is_what_is_said_of_it():
    receipt = read_receipt(WHOLE | {"metrics": {"m" * 100_000: 1.0}})
    assert receipt.reason is not None
    assert "at most 64 characters" in receipt.reason.text


figures = st.floats(allow_nan=False, allow_infinity=False)
sizes = st.integers(0, 2**40 - 1)
times = st.datetimes(
    datetime(1970, 1, 2), datetime(2199, 12, 30), timezones=st.just(UTC)  # noqa: DTZ001 - hypothesis' way
)  # fmt: skip
energies = st.none() | st.builds(
    energy, figures.map(abs), pue=figures.map(lambda x: max(1.0, x)),
    idle_wh=st.none() | figures.map(abs), idle_s=st.none() | figures.map(abs),
    embodied_gco2eq=st.none() | figures.map(abs),
)  # fmt: skip
timings = st.builds(
    Timings, dispatch_s=figures, queue_s=figures, pull_s=figures, train_s=figures, push_s=figures
)
receipts = st.fixed_dictionaries(
    {},
    optional={
        "metrics": st.dictionaries(st.sampled_from(["accuracy", "loss", "x"]), st.none() | figures),
        "num_held_out": sizes,
        "num_examples": sizes,
        "num_steps": st.none() | sizes.map(lambda n: n + 1),
        "loss": st.none() | figures,
        "utility": st.none() | figures,
        "energy": energies,
        "timings": timings,
        "started_at": times,
        "ended_at": times,
        "frozen_nbytes": sizes,
        "reason": st.builds(
            Reason, code=st.text(max_size=40), text=st.text(max_size=99), not_before=times
        ),
    },
)


@settings(max_examples=60, deadline=None)
@given(first=receipts, second=receipts, ahead_s=st.floats(-1e308, 1e308))
def test_whatever_sites_report_a_run_ends_and_every_figure_is_finite(first, second, ahead_s):
    world = MemoryWorld("a", "b", "c", scored_here=False, held_out=5)
    world.happen(ClientClockCompared(ahead_s=ahead_s), client="a")
    world.work.changes |= {"a": first, "b": second}
    world.start(rounds=2, quorum=1, policy="oort")
    world.play(4 * HOUR)
    assert world.run().end_reason == "rounds"
    assert "run.blocked" not in world.kinds()
    assert finite(world.history.state)
    totals = world.run().totals
    assert math.isfinite(totals.energy_wh + totals.gco2eq + totals.idle_wh + totals.embodied_gco2eq)
    assert all(
        c.latency_s is None or c.latency_s < 1e6 for c in world.history.state.clients.values()
    )
