"""Prometheus reads the federation's figures in base units; what is unknown is absent."""

from prometheus_client import CollectorRegistry

from common.errors import LedgerError
from scheduler.federation.federation import Federation
from scheduler.ledger.events import GridRead, ReadingRecord, UpdateAccepted, UpdateRefused
from tasks.monitor.metrics import LedgerCollector
from tests.unit.scheduler.story import HOUR, Story


def published(state: Federation) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(LedgerCollector(lambda: state))
    return registry


def told() -> Story:
    story = Story("a", "b")
    story.start()
    story.plan("a", "b")
    story.book(UpdateAccepted, story.receipt("a"))
    story.book(UpdateRefused, story.receipt("b"), intensity=None)
    return story


def test_energy_is_in_joules_and_emissions_in_grams():
    registry = published(told().state)
    # 2 Wh = 7200 J; 2 Wh at 50 gCO2eq/kWh = 0.1 g.
    assert registry.get_sample_value("fairwind_client_energy_joules", {"client": "a"}) == 7200.0
    grams = registry.get_sample_value("fairwind_client_emissions_booked_grams", {"client": "a"})
    assert grams == 0.1


def test_energy_under_an_unknown_intensity_is_told_apart_and_in_no_sum_of_grams():
    registry = published(told().state)
    assert registry.get_sample_value("fairwind_run_unknown_joules", {"run": "r"}) == 7200.0
    assert registry.get_sample_value("fairwind_run_emissions_booked_grams", {"run": "r"}) == 0.1


def test_a_zone_shows_what_holds_and_nothing_while_it_is_unknown():
    story = told()
    reading = ReadingRecord(
        start=story.now,
        end=story.now + HOUR,
        gco2eq_per_kwh=50.0,
        source="trace",
        family="average, lifecycle, consumption",
        quality="measured",
    )
    story.tell(GridRead(readings={"FR": reading, "DE": None}))
    samples = [
        (sample.labels["zone"], sample.value)
        for family in published(story.state).collect()
        for sample in family.samples
        if sample.name == "fairwind_zone_intensity_grams_per_kwh"
    ]
    assert samples == [("FR", 50.0)]


def test_without_a_ledger_there_are_no_figures_and_no_error():
    def nothing() -> Federation:
        msg = "There is no ledger."
        raise LedgerError(msg)

    registry = CollectorRegistry()
    registry.register(LedgerCollector(nothing))
    assert list(registry.collect()) == []
