"""Who keeps little of its weight under a robust rule, and when that is reported."""

from __future__ import annotations

from typing import Any

from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.closed_rounds import ClosedSums
from scheduler.federation.left_out import ROUNDS, kept_shares, kept_text, left_out, rule_text
from scheduler.federation.run import Run
from scheduler.ledger.events import ManifestLine, RobustFigures
from tests.unit.scheduler.story import NOON, sha, spec


def after(*rounds: dict[str, int], **asked: Any) -> Run:
    """Return a run whose rounds kept these parts of their updates' weight, in permille."""
    run = Run(spec(**({"robust": "1"} | asked)), NOON, NOON)
    for shares in rounds:
        run.closed.sums.add(closed(shares))
    return run


def closed(shares: dict[str, int]) -> ClosedRound:
    return ClosedRound(
        number=1, version=sha("v"), cohort=tuple(shares), started=NOON, ended=NOON,
        wall_seconds=1.0, energy_wh=1.0, gco2eq=1.0, baseline_gco2eq=None, baseline_started=NOON,
        baseline_ended=NOON, fleet_gco2eq=None, held_out=None, phases={}, updates={},
        base_version=sha("b"), server_state=None,
        manifest=tuple(ManifestLine(client, sha(client), 1, 1) for client in shares),
        robust=RobustFigures(shares_permille=shares),
    )  # fmt: skip


LEFT = {"a": 1250, "b": 1250, "c": 100}
KEPT = {"a": 1000, "b": 1000, "c": 1000}


def test_a_client_below_half_in_several_rounds_is_reported():
    assert left_out(after(*[LEFT] * (ROUNDS - 1))) == ()
    (found,) = left_out(after(KEPT, *[LEFT] * ROUNDS))
    assert (found.client, found.run, found.rounds) == ("c", "r", ROUNDS)
    assert found.kept == (1 + 0.1 * ROUNDS) / (1 + ROUNDS)
    assert "A site with rare data looks the same as an attacker." in found.sentence


def test_a_round_above_half_begins_the_count_anew():
    assert left_out(after(*[LEFT] * ROUNDS, KEPT)) == ()


def test_rounds_without_an_update_of_a_client_do_not_count():
    without = {"a": 1000, "b": 1000}
    assert len(left_out(after(LEFT, without, LEFT, without, LEFT))) == 1


def test_the_least_kept_come_first():
    run = after(LEFT, KEPT)
    assert list(kept_shares(run)) == ["c", "a", "b"]
    assert kept_text(run) == "c 55 %, a 112 %, b 112 %"


def test_the_weight_of_a_version_is_what_the_rule_kept():
    sums = ClosedSums()
    sums.add(closed({"a": 1500, "b": 1500, "c": 0}))
    assert sums.weights == {"a": 0.5, "b": 0.5, "c": 0.0}


def test_the_rule_is_described_with_what_it_withstands():
    assert rule_text(after(robust="mean")) is None
    assert rule_text(after(robust="krum:2")) == (
        "Krum; withstands 2 wrong updates in a round, needs 5; all updates count alike"
    )
    assert "of less than half of the clients, needs 3" in (rule_text(after(robust="median")) or "")
