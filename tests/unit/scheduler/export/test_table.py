"""What is exported as tables: every figure of a run with its unit, unknown ones empty."""

import pytest

from scheduler.export.codecarbon import COLUMNS, emissions_table
from scheduler.export.table import parameters_table, rounds_table, work_table
from tests.unit.scheduler.export.exported import followed, played


def test_rounds_have_their_grams_and_the_figures_of_both_who_evaluate():
    world = played()
    table = rounds_table(world.run(), followed(world).closed_at)
    zero, first, last = table.rows
    assert (zero["round"], zero["sites/accuracy"]) == (0, 0.5)
    assert first["energy_wh"] == pytest.approx(2 * 2.0)
    assert first["gco2eq"] == pytest.approx(2 * 0.2)
    assert last["cumulative_gco2eq"] == pytest.approx(2 * 2 * 0.2)
    assert (first["accuracy"], last["accuracy"]) == (0.1, 0.2)
    assert (last["evaluated_by"], last["sites"]) == ("coordinator+sites", 2)
    # Of oslo the accuracy is unknown, so the mean of the sites is of lyon alone.
    assert (last["sites/accuracy"], last["partly"]) == (0.5, "accuracy;round")
    assert {"round", "accuracy", "sites/accuracy", "sites/round"} <= set(table.columns)
    assert all(set(row) <= set(table.columns) for row in table.rows)


def test_each_piece_of_work_of_each_site_has_a_row_and_scoring_is_work():
    world = played()
    table = work_table(followed(world).pieces(world.history.state, world.run()))
    shown = [
        (row["round"], row["client"], row["outcome"], row.get("version")) for row in table.rows
    ]
    assert sorted(shown) == [
        (1, "lyon", "counted", 0), (1, "oslo", "counted", 0),
        (2, "lyon", "counted", 1), (2, "oslo", "counted", 1),
        (3, "lyon", "evaluated", 2), (3, "oslo", "evaluated", 2),
    ]  # fmt: skip
    row = next(row for row in table.rows if row["client"] == "lyon" and row["round"] == 2)
    assert (row["zone"], row["energy_wh"], row["gco2eq_per_kwh"]) == ("FR", 2.0, 100.0)
    assert row["gco2eq"] == pytest.approx(0.2)
    assert row["settled_gco2eq"] is None
    # A metric that is named as a column of ours does not take its place.
    assert (row["accuracy"], row["metric/round"]) == (0.5, 7.0)


def test_parameters_are_those_that_the_run_was_given_with_their_defaults():
    world = played(grams=5.0)
    given = {row["name"]: row["value"] for row in parameters_table(world.run()).rows}
    assert (given["rounds"], given["grams"], given["evaluate"]) == (2, 5.0, "both")
    assert given["hyperparameters.epochs"] == 1
    assert "hours" not in given


def test_emissions_have_the_columns_and_units_of_codecarbon():
    world = played()
    bookings = [b for b, _ in followed(world).pieces(world.history.state, world.run())]
    table = emissions_table(world.run(), bookings)
    assert table.columns == COLUMNS
    assert len(COLUMNS) == 38
    # The scoring of the last version used what nobody measured: that is no row.
    assert len(table.rows) == 4
    row = table.rows[0]
    assert row["emissions"] == pytest.approx(0.2e-3)  # kg
    assert row["energy_consumed"] == pytest.approx(2e-3)  # kWh
    assert row["duration"] == pytest.approx(60.0)
    assert row["emissions_rate"] == pytest.approx(0.2e-3 / 60)  # kg/s
    assert (row["project_name"], row["experiment_id"], row["region"]) == ("digits", "r", "FR")
    assert row["run_id"] in {"r/1/lyon", "r/1/oslo"}
