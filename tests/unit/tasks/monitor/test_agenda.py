"""The page's rounds to come: few rows and bands, however many rounds a day holds."""

from __future__ import annotations

from typing import Any

from tasks.monitor.agenda import agenda


def expected(number: int, **more: Any) -> dict[str, Any]:
    return {
        "round": number, "start": 60.0 * number, "end": 60.0 * number + 50.0,
        "cohort": [f"site-{at:02}" for at in range(20)], "waiting": None, "running": False,
        "expected_gco2eq": 1.0, "run_now_gco2eq": 2.0,
    } | more  # fmt: skip


def test_all_rounds_are_counted_and_the_first_ten_listed() -> None:
    shown = agenda([expected(number) for number in range(370)], None)
    assert [row["round"] for row in shown["rows"]] == list(range(10))
    assert (shown["num_rounds"], shown["expected_gco2eq"], shown["run_now_gco2eq"]) == (
        370,
        370,
        740,
    )
    assert (len(shown["rows"][0]["cohort"]), shown["rows"][0]["clients"]) == (12, 20)


def test_bands_of_many_rounds_are_joined_and_cover_the_same_hours() -> None:
    bands = agenda([expected(number) for number in range(370)], None)["bands"]
    assert 50 < len(bands) <= 100
    assert (bands[0][0], bands[-1][1]) == (0.0, 60.0 * 369 + 50.0)


def test_waits_and_a_round_under_way_are_rows_and_not_rounds_to_come() -> None:
    rows = [expected(1, running=True), expected(2, waiting="gate_closed"), expected(2)]
    shown = agenda(rows, None)
    assert (len(shown["rows"]), shown["num_rounds"], shown["bands"]) == (3, 1, [[120.0, 170.0]])


def test_rounds_of_unknown_grams_are_counted_and_not_added() -> None:
    shown = agenda([expected(1), expected(2, run_now_gco2eq=None)], None)
    assert (shown["num_rounds"], shown["expected_gco2eq"], shown["run_now_gco2eq"]) == (2, 1, 2)
    assert agenda([expected(1, expected_gco2eq=None)], None)["expected_gco2eq"] is None
