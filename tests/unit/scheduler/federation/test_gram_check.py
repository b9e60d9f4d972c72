"""Every gram of a ledger follows from its receipts and readings; one that was altered does not."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from scheduler.federation.gram_check import GramCheck, check_grams
from scheduler.ledger.event import Event
from scheduler.ledger.events import GridRead, Payload, RoundClosed, UpdateAccepted
from tests.unit.scheduler.report.golden import at, work
from tests.unit.scheduler.story import Story


def told() -> list[Event]:
    """Return the events of one round, worked out by hand.

    a FR 13:30-14:30  100 Wh at (60 + 40) / 2 = 50: 5 g
    b DE 14:00-15:00   20 Wh at 200: 4 g
    """
    story = Story()
    for client, zone in {"a": "FR", "b": "DE"}.items():
        story.enrol(client, zone)
        story.join(client)
    story.now = at(13.0)
    story.read("FR", 60.0, quality="estimated")
    story.read("DE", 400.0)
    story.start()
    story.now = at(13.5)
    story.plan("a", "b")
    story.now = at(14.0)
    story.read("FR", 40.0, quality="estimated")
    story.read("DE", 200.0)
    story.now = at(14.5)
    work(story, "a", at(13.5), 100.0, 50.0)
    story.now = at(15.0)
    work(story, "b", at(14.0), 20.0, 200.0)
    story.close()
    return story.events


def found(events: Iterable[Event]) -> list[GramCheck]:
    return [each for each in check_grams(events) if each.status != "same"]


def altered(
    events: list[Event], kind: type[Payload], change: Callable[[Any], Payload]
) -> list[Event]:
    """Return events of which the first one of a kind says something else."""
    index = next(i for i, event in enumerate(events) if isinstance(event.payload, kind))
    payload = change(events[index].payload)
    return [*events[:index], replace(events[index], payload=payload), *events[index + 1 :]]


def with_work(**fields: Any) -> Callable[[Any], Payload]:
    return lambda payload: payload.model_copy(
        update={"work": payload.work.model_copy(update=fields)}
    )


def test_a_round_is_recomputed_to_the_gram() -> None:
    checks = list(check_grams(told()))
    assert len(checks) == 3  # two pieces of work and the round
    assert found(told()) == []


def test_grams_that_do_not_follow_from_energy_and_intensity_are_named() -> None:
    fault, *_ = found(altered(told(), UpdateAccepted, with_work(gco2eq=1.0)))
    assert (fault.run, fault.round, fault.client, fault.status) == ("r", 1, "a", "different")
    assert fault.fault == "1 gCO2eq booked, 5 gCO2eq from its energy and intensity"


def test_an_intensity_that_no_reading_gives_is_named_with_all_that_rests_on_it() -> None:
    def half(payload: Any) -> Payload:
        work = payload.work
        intensity = work.intensity.model_copy(update={"gco2eq_per_kwh": 25.0})
        return with_work(intensity=intensity, gco2eq=2.5)(payload)

    faults = found(altered(told(), UpdateAccepted, half))
    assert {each.fault for each in faults} == {
        "25 gCO2eq/kWh booked, 50 from the readings of FR",
        "9 gCO2eq booked, 6.5 gCO2eq from its bookings",
    }
    assert {each.status for each in faults} == {"different"}


def test_a_figure_called_measured_that_no_reading_gives_is_not_proven() -> None:
    def surer(payload: Any) -> Payload:
        intensity = payload.work.intensity.model_copy(
            update={"gco2eq_per_kwh": 0.0, "quality": "measured"}
        )
        return with_work(intensity=intensity, gco2eq=0.0)(payload)

    faults = found(altered(told(), UpdateAccepted, surer))
    assert {each.client: each.status for each in faults} == {"a": "unproven", "": "different"}


@pytest.mark.parametrize(("field", "unit"), [("energy_wh", "Wh"), ("gco2eq", "gCO2eq")])
def test_sums_of_a_round_that_its_bookings_do_not_give_are_named(field: str, unit: str) -> None:
    def change(payload: Any) -> Payload:
        changed: Payload = payload.model_copy(update={field: 0.0})
        return changed

    (fault,) = found(altered(told(), RoundClosed, change))
    assert (fault.round, fault.client, fault.status) == (1, "", "different")
    assert fault.fault.startswith(f"0 {unit} booked, ")


def test_energy_that_its_parts_do_not_give_is_named() -> None:
    def less(payload: Any) -> Payload:
        energy = payload.work.energy
        part = {"device": "cpu", "energy_wh": 50.0, "method": "rapl", "quality": "measured"}
        return with_work(energy=energy.model_validate(energy.model_dump() | {"parts": [part]}))(
            payload
        )

    faults = found(altered(told(), UpdateAccepted, less))
    assert faults[0].fault == "100 Wh booked, 50 Wh from its parts and PUE"


def test_a_reading_that_came_after_the_work_proves_it_too() -> None:
    events = told()
    late = next(i for i, e in enumerate(events) if isinstance(e.payload, UpdateAccepted))
    reads = [event for event in events if isinstance(event.payload, GridRead)]
    assert found([event for event in events if event is not reads[-1]]) != []
    moved = [event for event in events[: late + 2] if event is not reads[-1]]
    assert found([*moved, reads[-1], *events[late + 2 :]]) == []
