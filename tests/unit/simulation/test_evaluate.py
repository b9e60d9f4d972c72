"""Who evaluates changes no version, and what each finds does not depend on who else looks."""

from scheduler.ledger.events import AssignmentEvaluated, RoundClosed, RoundEvaluated
from simulation.run import simulate
from tests.unit.simulation.ports.test_course import Kept
from tests.unit.simulation.worlds import group, world


def played(evaluate: str | None) -> Kept:
    kept = Kept()
    run = {"policy": "all", "rounds": 2, "quorum": 4}
    simulate(
        world(
            workload={"name": "tests.fakes.both_tested", "batched": False},
            run=run | ({"evaluate": evaluate} if evaluate else {}), seed=1,
            clients=[group(count=4, num_examples=None)],
        ),
        journal=kept,
    )  # fmt: skip
    return kept


def found(kept: Kept, by: str) -> list[dict[str, float | None]]:
    made = [payload for _, payload in kept.payloads(RoundEvaluated)]
    return [payload.metrics for payload in made if payload.by == by]


def test_each_finds_the_same_alone_or_beside_the_other():
    both, sites, here = played("both"), played("sites"), played("coordinator")
    assert found(both, "coordinator") == found(here, "coordinator") != []
    assert found(both, "sites") == found(sites, "sites") != []
    assert found(here, "sites") == found(sites, "coordinator") == []
    assert len(both.payloads(AssignmentEvaluated)) == 4
    versions = [[made.version for _, made in k.payloads(RoundClosed)] for k in (both, sites, here)]
    assert versions[0] == versions[1] == versions[2]


def test_the_coordinator_alone_evaluates_if_nothing_is_asked_and_it_has_test_data():
    left_out, here = played(None), played("coordinator")
    assert found(left_out, "coordinator") == found(here, "coordinator")
    assert found(left_out, "sites") == []
