"""Each change says its grams, how they were worked out and on whose word; no basis, no line."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.accounting.booking import Booking
from scheduler.advice.change import Facts, SiteChange, find_changes
from scheduler.advice.clean_hours import DayWindow, cleanest_window
from scheduler.advice.practice import practices
from tests.unit.scheduler.advice.cases import DAY, MONDAY, energy, grid, noon_is_clean, work
from tests.unit.scheduler.story import NOON

WINDOW = cleanest_window(grid(MONDAY, 14 * 24, noon_is_clean))


def find(
    *bookings: Booking, window: DayWindow | None = WINDOW, **outcomes: int
) -> tuple[dict[str, SiteChange], tuple[str, ...]]:
    known = practices(bookings, NOON)
    changes, missing = find_changes(Facts("north", known, window, Counter(outcomes)))
    return {change.name: change for change in changes}, missing


def test_moving_to_clean_hours_saves_the_difference_of_the_grids():
    # 10 Wh at 300 instead of 100 g/kWh: 3 g - 1 g.
    found, _ = find(work("north", intensity=300.0))
    hours = found["hours"]
    assert hours.saves_gco2eq == pytest.approx(2.0)
    assert hours.text == ("Train from 10:00-16:00 UTC only (FAIRWIND_SITE_WINDOWS=10:00-16:00).")
    assert hours.computed == (
        "10 Wh an update x (300 gCO2eq/kWh while it trained - 100 gCO2eq/kWh in that window)"
    )


def test_who_trains_in_clean_hours_already_is_not_told_to_move():
    found, _ = find(work("north", intensity=100.0))
    assert "hours" not in found


def test_a_gpu_saves_what_it_saves_at_peers_of_the_same_runs():
    # North: 36 J an example, 3 g an update. The GPUs: 14.4 and 7.2 J, in the middle 10.8.
    found, _ = find(
        work("north", intensity=300.0),
        work("west", energy=energy(4.0, gpu_wh=2.0)),
        work("south", energy=energy(2.0, gpu_wh=1.0)),
    )
    gpu = found["gpu"]
    assert gpu.saves_gco2eq == pytest.approx(3.0 * 0.7)
    assert (gpu.low_gco2eq, gpu.high_gco2eq) == pytest.approx((3.0 * 0.6, 3.0 * 0.8))
    assert gpu.effects["grams_per_update"] == pytest.approx(0.3)
    assert "at 2 of its peers" in gpu.source


def test_a_gpu_that_uses_more_is_not_advised():
    found, missing = find(work("north"), work("west", energy=energy(40.0, gpu_wh=20.0)))
    assert "gpu" not in found
    assert not any(said.startswith("GPU") for said in missing)


def test_where_no_peer_has_a_gpu_its_saving_is_unknown():
    found, missing = find(work("north"), work("west"))
    assert "gpu" not in found
    assert any(said.startswith("GPU instead of CPU") for said in missing)


def test_what_is_published_of_gpus_applies_to_their_share_alone():
    # GPUs used 4 Wh x PUE 1.5 = 6 of 10 Wh at 300 g/kWh: 1.8 g.
    used = energy(10.0, gpu_wh=4.0)
    found, missing = find(work("north", intensity=300.0, energy=used))
    assert found["power_cap"].saves_gco2eq == pytest.approx(1.8 * 0.15)
    assert found["power_cap"].effects["grams_per_update"] == pytest.approx(1 - 0.09)
    assert found["batch_size"].saves_gco2eq == pytest.approx(1.8 * 0.153)
    assert found["batch_size"].high_gco2eq == pytest.approx(1.8 * 0.758)
    assert "NAACL 2022" in found["power_cap"].source
    assert "NSDI 2023" in found["batch_size"].source
    # At most 1 - 1 / 1.9 = 47 % of 1.8 g.
    assert any(said.startswith("Mixed precision: from nothing to 853 mg") for said in missing)


def test_a_site_without_gpu_is_told_that_this_is_not_about_it():
    found, missing = find(work("north"))
    assert not {"power_cap", "batch_size"} & set(found)
    assert any("this site reports none" in said for said in missing)


def test_smaller_updates_save_three_quarters_of_half_the_way():
    # 4 Wh for the bytes at 300 g/kWh: 1.2 g; half of it is the way there.
    found, _ = find(work("north", intensity=300.0, network_wh=4.0))
    assert found["smaller_updates"].saves_gco2eq == pytest.approx(0.45)


def test_overhead_above_what_is_reachable_saves_its_share():
    found, _ = find(work("north", intensity=300.0, energy=energy(10.0, pue=1.5)))
    assert found["pue"].saves_gco2eq == pytest.approx(3.0 * (1 - 1.2 / 1.5))
    assert "Uptime Institute, survey of 2024" in found["pue"].source


@pytest.mark.parametrize(("pue", "told"), [(1.0, True), (1.1, False), (1.2, False)])
def test_a_pue_of_one_is_asked_back_and_a_good_one_is_left_alone(pue, told):
    found, missing = find(work("north", energy=energy(10.0, pue=pue)))
    assert "pue" not in found
    assert any("set FAIRWIND_PUE" in said for said in missing) is told


def test_waiting_hardware_saves_all_it_emits():
    used = energy(10.0, idle_wh=5.0, idle_s=60.0)
    found, _ = find(work("north", intensity=300.0, energy=used))
    assert found["idle"].saves_gco2eq == pytest.approx(1.5)
    assert found["idle"].effects == {"idle_share": 0.0}


def test_a_site_that_does_not_say_is_told_how_to_say():
    _, missing = find(work("north"))
    assert any("FAIRWIND_IDLE_W" in said for said in missing)


def test_work_that_did_not_count_is_named():
    told = [work("north", intensity=300.0), work("north", intensity=300.0, outcome="late")]
    found, _ = find(*told, late=1)
    assert found["wasted"].saves_gco2eq == pytest.approx(3.0)
    assert found["wasted"].computed.endswith("(1 late)")


def test_with_less_than_a_week_of_history_nothing_is_said_of_hours():
    found, missing = find(work("north", intensity=300.0), window=None)
    assert "hours" not in found
    assert any(said.startswith("Other hours") for said in missing)


booked = st.builds(
    lambda wh, gpu, pue, idle, network, grams, client: work(
        client,
        NOON - DAY,
        grams,
        energy=energy(wh, gpu_wh=wh * gpu / pue, pue=pue, idle_wh=idle),
        network_wh=network,
    ),
    wh=st.floats(0.1, 100),
    gpu=st.floats(0, 1),
    pue=st.floats(1, 3),
    idle=st.none() | st.floats(0, 50),
    network=st.none() | st.floats(0, 5),
    grams=st.floats(1, 900),
    client=st.sampled_from(["north", "south"]),
)


@given(others=st.lists(booked, max_size=4), own=booked)
def test_changes_come_most_grams_first_each_within_its_bounds_and_with_a_source(others, own):
    told = [work("north", NOON, 300.0), own, *others]
    changes, missing = find_changes(Facts("north", practices(told, NOON), WINDOW, Counter()))
    saved = [change.saves_gco2eq for change in changes]
    assert saved == sorted(saved, reverse=True)
    for change in changes:
        assert change.saves_gco2eq > 0
        assert change.low_gco2eq <= change.saves_gco2eq + 1e-9
        assert change.saves_gco2eq <= change.high_gco2eq + 1e-9
        assert change.source
        assert change.computed
        assert all(factor >= 0 for factor in change.effects.values())
    assert all(said.endswith(".") for said in missing)
