"""What corrects the bias of an asynchronous run whose user leaves it open."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.ledger.bias_choice import choose_bias, is_open
from tests.unit.scheduler.story import spec

GB = 10**9


def chosen(clients: int, version_nbytes: int | None, **asked: Any) -> tuple[str | None, str]:
    run, why = choose_bias(
        spec(mode="async", buffer=2, **asked), clients=clients, version_nbytes=version_nbytes,
        free_nbytes=8 * GB,
    )  # fmt: skip
    return run.bias, why


@pytest.mark.parametrize(
    ("clients", "version_nbytes", "bias", "why"),
    [
        (4, 2 * GB, "memory", "the latest models of 4 clients take 8 GB, and 8 GB are free"),
        (5, 2 * GB, "capped", "the latest models of 5 clients take 10 GB, and 8 GB are free"),
        (1, 40_000, "memory", "the latest models of 1 client take 40 kB, and 8 GB are free"),
        (4, None, "capped", "the size of the model is not known, as no coordinator has answered"),
    ],
)
def test_each_counts_by_its_latest_model_where_these_fit_on_the_disk(
    clients: int, version_nbytes: int | None, bias: str, why: str
) -> None:
    found, text = chosen(clients, version_nbytes)
    assert found == bias
    assert text.startswith(f"Bias {bias}: {why}")


def test_where_memory_is_refused_weights_are_capped() -> None:
    bias, why = chosen(4, 40_000, encoding="topk:0.05")
    assert bias == "capped"
    assert why.startswith("Bias capped: bias memory counts the latest update of each client alone")
    assert why.endswith(".")


def test_a_run_that_says_nothing_is_open_if_it_is_asynchronous_or_of_our_policy() -> None:
    assert is_open(spec(mode="async", buffer=2))
    assert not is_open(spec(mode="async", buffer=2, bias="none"))
    assert is_open(spec(policy="fairwind"))
    assert not is_open(spec(policy="fairwind", bias="none"))
    assert not is_open(spec(policy="random"))


@pytest.mark.parametrize(
    ("asked", "bias", "text"),
    [
        ({}, "realised", "Bias realised: clients whose updates counted seldom so far weigh more."),
        (
            {"late": "count"},
            "none",
            (
                "Bias none: bias realised compares what whole rounds weigh, and --late count "
                "weighs updates its own way."
            ),
        ),
    ],
)
def test_rounds_of_our_policy_weigh_by_realised_participation_where_whole_rounds_compare(
    asked: dict[str, Any], bias: str, text: str
) -> None:
    run, why = choose_bias(
        spec(policy="fairwind", **asked), clients=3, version_nbytes=None, free_nbytes=GB
    )
    assert (run.bias, why) == (bias, text)
