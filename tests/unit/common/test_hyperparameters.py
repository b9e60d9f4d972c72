"""Hyperparameters: how long a client trains, in whole epochs, parts of one, or steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from common.hyperparameters import Hyperparameters
from scheduler.ledger.run_spec import RunSpec


@given(
    asked=st.builds(
        Hyperparameters,
        epochs=st.integers(1, 5),
        batch_size=st.integers(1, 64),
        accumulate=st.integers(1, 4),
        drop_last=st.booleans(),
    ),
    num_examples=st.integers(1, 500),
    part=st.floats(1e-3, 1),
)
def test_less_work_is_never_more_steps_nor_examples_and_never_none(asked, num_examples, part):
    less = asked.epochs * part
    steps = asked.expected_steps(num_examples, epochs=less)
    trained = asked.examples_trained(num_examples, epochs=less)
    assert 1 <= steps <= asked.expected_steps(num_examples)
    assert 1 <= trained <= asked.examples_trained(num_examples)
    assert trained == pytest.approx(less * num_examples, abs=2)


def test_whole_epochs_are_as_if_nothing_was_said_of_parts():
    asked = Hyperparameters(epochs=3)
    assert asked.with_epochs(2) == asked.with_epochs(2.0) == Hyperparameters(epochs=2)
    assert asked.with_epochs(None) is asked


def test_a_run_asks_for_whole_epochs():
    with pytest.raises(ValidationError, match="a run asks for whole epochs"):
        RunSpec(
            id="r", workload="digits", rounds=1, hyperparameters=Hyperparameters(last_epoch=0.5)
        )
