from __future__ import annotations

import pytest

from simulation.outcome import Outcome, RoundOutcome


def closed(number: int, accuracy: float, by_label: tuple[float, ...] = ()) -> RoundOutcome:
    return RoundOutcome(
        number=number, started_h=number - 1, ended_h=number, invited=2, cohort=("a", "b"),
        gco2eq=1.0, energy_wh=10.0, baseline_gco2eq=None, spent_gco2eq=1.5 * number,
        counted_gco2eq=1.0 * number, metrics={"accuracy": accuracy, "loss": 1 - accuracy},
        by_label=by_label,
    )  # fmt: skip


def outcome(rounds: tuple[RoundOutcome, ...], **changes) -> Outcome:
    fields = {
        "scenario": "s", "policy": "p", "seed": 0, "rounds": rounds, "end_reason": "rounds",
        "hours": 3.0, "energy_wh": 30.0, "gco2eq": 4.5, "uncounted_wh": 0.0,
        "uncounted_gco2eq": 1.5,
        "unreported": 0, "participations": {"a": 3, "b": 1}, "labels": (0.0, 1.0),
        "label_shares": {"a": (1.0, 0.0), "b": (0.25, 0.75)}, "decisions": "", "version": "",
        "batched": True, "reason": "", "wall_s": 1.0,
    }  # fmt: skip
    return Outcome(**{**fields, **changes})


THREE = outcome((
    closed(1, 0.5, (0.9, 0.1)),
    closed(2, 0.8, (0.8, 0.8)),
    closed(3, 0.7, (0.5, 0.9)),
))  # fmt: skip


def test_what_it_took_to_reach_a_target():
    assert THREE.grams_to("accuracy", 0.75) == 3.0  # all emissions, not only those that count
    assert THREE.grams_to("accuracy", 0.9) is None
    assert THREE.grams_to("loss", 0.3) == 3.0  # less is better


def test_a_metric_is_the_last_versions():
    assert THREE.metric("accuracy") == 0.7


def test_jains_index_of_the_participations():
    # (3 + 1)^2 / (2 (9 + 1)) = 0.8
    assert THREE.jain() == pytest.approx(0.8)
    assert outcome((), participations={"a": 0, "b": 0}).jain() == 0


def test_sites_are_scored_by_their_own_labels():
    # A quarter of the examples of b are of the first label: 0.25 of 0.5, and 0.75 of 0.9.
    assert THREE.site_scores(THREE.rounds[-1]) == pytest.approx({"a": 0.5, "b": 0.8})
    assert THREE.worst_site() == ("a", 0.5)


def test_forgetting_is_how_far_sites_fell_from_their_best():
    # a: 0.9 - 0.5 = 0.4; b was 0.3, 0.8 and is 0.8: 0. In the mean 0.2.
    assert THREE.forgetting() == pytest.approx(0.2)
    assert outcome((closed(1, 0.5),)).forgetting() is None


def test_time_spent_is_not_compared():
    assert outcome((), wall_s=1.0) == outcome((), wall_s=2.0)
