"""The same hour yesterday, and how far off it was."""

import numpy as np

from scheduler.carbon.forecast.persistence import persistence
from tests.unit.scheduler.carbon.forecast.grids import history


def test_the_last_day_is_said_again_and_again():
    y = np.arange(48.0)
    assert persistence(history(y), 30).values.tolist() == [*range(24, 48), *range(24, 30)]


def test_errors_compare_each_hour_to_the_last_known_of_its_time_of_day():
    # Every hour is 1 above the one before: a day back is 24 less, two days back 48 less.
    errors = persistence(history(np.arange(96.0)), 48).errors
    assert errors.shape == (96 - 24, 48)
    assert set(errors[0, :24]) == {24.0}
    assert set(errors[0, 24:]) == {48.0}


def test_an_error_is_unknown_while_the_truth_is():
    errors = persistence(history(np.arange(96.0)), 48).errors
    assert not np.isnan(errors[-1, 0])  # issued an hour before the last known one
    assert np.isnan(errors[-1, 1:]).all()
    assert (
        np.isnan(errors).sum() == 47 * 48 / 2
    )  # 47 leads at the last origin, 46 at the one before
