"""Every version of a run is scored, the last one too: here, or by the sites that have test data."""

import pytest

from scheduler.ledger.events import (
    RoundClosed,
    RoundEvaluated,
    RunEnded,
)
from simulation.run import simulate
from tests.known import known
from tests.unit.simulation.ports.test_course import Kept
from tests.unit.simulation.worlds import group, world

SITE_TESTED = "tests.fakes.site_tested"


def played(workload: str, **run: object) -> Kept:
    """Return what happens in a run of four clients, all of whom train in every round."""
    kept = Kept()
    simulate(
        world(
            workload={"name": workload, "batched": False},
            run={"policy": "all", "quorum": 4, **run},
            seed=1,
            clients=[group(count=4, num_examples=None)],
        ),
        journal=kept,
    )
    return kept


@pytest.mark.parametrize("workload", ["digits", SITE_TESTED])
def test_every_round_has_one_score_of_its_own(workload: str):
    kept = played(workload, rounds=3)
    scored = [(d.round, d.payload) for d in kept.of("round.evaluated")]
    assert [number for number, _ in scored] == [1, 2, 3]
    values = [known(p.metrics)["accuracy"] for _, p in scored if isinstance(p, RoundEvaluated)]
    assert len(set(values)) == 3
    # A version that learned more is better, so the last one may be the best one.
    assert values == sorted(values)
    ((_, closed),) = kept.payloads(RoundClosed)[-1:]
    ((_, ended),) = kept.payloads(RunEnded)
    assert ended.best_version == ended.last_version == closed.version


def test_the_sites_score_of_a_round_is_known_before_they_score_the_last_version():
    """What they found of version 1 when they pulled it in round 2 is not what they find of 2."""
    kept = played(SITE_TESTED, rounds=2)
    kinds = [(d.kind, d.round) for d in kept.of(*KINDS)]
    assert kinds == [
        ("round.planned", 1), ("round.closed", 1),
        ("round.planned", 2), ("round.closed", 2),
        ("round.planned", 3), ("round.evaluated", 1),
        *[("assignment.evaluated", 3)] * 4,
        ("round.evaluated", 2), ("run.ended", 0),
    ]  # fmt: skip
    (_, second) = kept.payloads(RoundClosed)[1]
    (_, first_score) = kept.payloads(RoundEvaluated)[0]
    assert first_score.evaluation == second.held_out


KINDS = (
    "round.planned", "round.closed", "round.evaluated", "assignment.evaluated", "run.ended",
)  # fmt: skip
