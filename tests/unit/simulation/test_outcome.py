from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from scheduler.federation.applied_weight import AppliedWeight
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
        "scenario": "s", "policy": "p", "lower_is_better": False, "seed": 0,
        "rounds": rounds, "end_reason": "rounds",
        "hours": 3.0, "energy_wh": 30.0, "gco2eq": 4.5, "uncounted_wh": 0.0,
        "uncounted_gco2eq": 1.5,
        "unreported": 0, "participations": {"a": 3, "b": 1},
        "applied": AppliedWeight(0.8, 0.25), "labels": (0.0, 1.0),
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
    # All emissions, not only those that count.
    assert THREE.grams_to("accuracy", 0.75, lower=False) == 3.0
    assert THREE.grams_to("accuracy", 0.9, lower=False) is None
    assert THREE.grams_to("loss", 0.3, lower=True) == 3.0  # less is better


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


def test_of_an_error_the_largest_one_is_the_worst_and_a_rise_is_forgotten():
    def errors(number: int, **by_site: float) -> RoundOutcome:
        return replace(closed(number, 0.5), by_site=by_site)

    found = outcome((errors(1, a=5.0, b=3.0), errors(2, a=2.0, b=4.0)), lower_is_better=True)
    assert found.worst_site() == ("b", 4.0)
    assert found.worst_score(found.rounds[0]) == 5.0
    # a got better, 5 to 2; b was best at 3 and is 4: 0 and 1, in the mean 0.5.
    assert found.forgetting() == pytest.approx(0.5)


def test_accuracies_on_labels_are_shares_whatever_the_metric():
    assert outcome(THREE.rounds, lower_is_better=True).worst_site() == ("a", 0.5)


@pytest.mark.parametrize(
    "change",
    [
        {"gco2eq": "much"}, {"gco2eq": math.inf}, {"rounds": 5}, {"rounds": [1]},
        {"label_shares": []}, {"applied": []}, {"participations": {"a": "often"}},
    ],
)  # fmt: skip
def test_what_is_no_outcome_is_refused(change):
    body = json.loads(THREE.to_json()) | change
    with pytest.raises(ValueError, match="validation error"):
        Outcome.from_json(json.dumps(body))
    for text in ("", "[]", "null", "[" * 100_000):
        with pytest.raises(ValueError, match="validation error"):
            Outcome.from_json(text)


def test_an_outcome_that_is_read_is_the_one_that_was_written():
    assert Outcome.from_json(THREE.to_json()) == THREE
