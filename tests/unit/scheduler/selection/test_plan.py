"""A plan invites only whom it may, says why of everybody, and is a function of its arguments."""

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from common.messages import Reason, Timings
from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.reading import Reading
from scheduler.federation.accepted import Accepted
from scheduler.federation.client import Client
from scheduler.federation.closed_rounds import ClosedRounds
from scheduler.federation.problem import Problem, ProblemStatus
from scheduler.federation.round import AssignmentState, Round
from scheduler.ledger.events.gate import State
from scheduler.policies.policy import POLICIES
from scheduler.selection.plan import Situation, derive_seed, plan_round, why
from scheduler.selection.score_weights import WEIGHTS
from tests.unit.scheduler.story import HOUR, NOON, gate, sha, spec


def client(name: str, **changes: Any) -> Client:
    fields: dict[str, Any] = {"alive": True, "incarnation": "i1"}
    return Client(name, "FR", **(fields | changes))


def grid(intensity: float) -> Reading:
    return Reading("FR", NOON, NOON + HOUR, intensity, "test", FLOW_TRACED, "measured")


def trained(name: str, energy_wh: float = 2.0) -> Client:
    return client(name, updates=3, energy_per_update_wh=energy_wh, latency_s=1.0, utility=1.0)


def situation(*clients: Client, **changes: Any) -> Situation:
    """Return a situation in which everything allows everybody to train, but for `changes`."""
    fields: dict[str, Any] = {
        "now": NOON,
        "clients": clients,
        "gates": {c.id: gate() for c in clients},
        "readings": {c.id: grid(50.0) for c in clients},
        "busy": frozenset(),
        "problems": {},
        "wall_now": NOON,
        "spent_gco2eq": 0.0,
        "past": ClosedRounds(),
        "forecasts": {},
        "weights": WEIGHTS,
    }
    return Situation(**(fields | changes))


def problem(count: int = 1, *, status: ProblemStatus = "failed", code: str = "-") -> Problem:
    """Return the newest of so many problems in a row, recorded at noon."""
    made = Problem(status, 1, Reason(code=code, text="-"), NOON)
    return replace(made, in_a_row={made.kind: count})


def some(number: int) -> tuple[Client, ...]:
    return tuple(trained(f"c{i}") for i in range(number))


def plan(now: Situation, so_far: Round | None = None, **asked: Any):
    return plan_round(spec(**asked), now, number=1, so_far=so_far)


def codes(made) -> dict[str, str]:
    return {verdict.client: verdict.code for verdict in made.verdicts}


def open_round(*, accepted: int = 0, **statuses: str) -> Round:
    """Return an open round in which each client has that part."""
    update = Accepted(
        sha("x"), 1, 1, 1, 1, 1, None, None, NOON, NOON, 0.0, None, Timings(), 0.0, {}, 0
    )
    cohort = {
        n: AssignmentState(n, 0, NOON, "i1", "FR", NOON, NOON + HOUR, 1, "base", status)
        for n, status in statuses.items()
    }
    return Round(
        1, sha("v0"), NOON, NOON, len(cohort), NOON + HOUR, NOON + HOUR, cohort,
        accepted={f"x{i}": update for i in range(accepted)},
    )  # fmt: skip


def test_everybody_open_is_invited_if_no_cohort_is_asked_for():
    made = plan(situation(*some(5)))
    assert made.cohort == ("c0", "c1", "c2", "c3", "c4")
    assert (made.target, made.waiting) == (5, None)


def test_round_waits_when_every_zone_is_above_threshold():
    closed = {f"c{i}": gate("closed", intensity=500.0) for i in range(3)}
    made = plan(situation(*some(3), gates=closed))
    assert (made.cohort, made.waiting) == ((), "too_few")
    for verdict in made.verdicts:
        assert verdict.code == "gate_closed"
        assert "500 gCO2eq/kWh is above the threshold of 200" in why(verdict)


def test_an_unknown_gate_is_not_open():
    gates = {"c0": gate("unknown"), "c1": gate(), "c2": gate("open_by_patience")}
    made = plan(situation(*some(3), gates=gates))
    assert codes(made) == {"c0": "gate_unknown", "c1": "invited", "c2": "invited"}


def test_a_round_waits_for_its_quorum():
    assert plan(situation(*some(2)), quorum=3).waiting == "too_few"
    assert plan(situation(*some(3)), quorum=3).waiting is None


def test_busy_silent_and_failing_clients_are_left_out():
    clients = (*some(2), client("quiet", alive=False), client("busy"), client("failing"))
    problems = {"failing": problem(3), "c0": replace(problem(2), lifted=True)}
    now = situation(*clients, busy=frozenset({"busy"}), problems=problems)
    assert codes(plan(now)) == {
        "c0": "invited",
        "c1": "invited",
        "quiet": "silent",
        "busy": "busy",
        "failing": "failing",
    }


def test_a_paused_client_is_left_out_and_the_sentence_says_how_to_go_on():
    made = plan(situation(*some(2), client("resting", paused=True)))
    assert codes(made) == {"c0": "invited", "c1": "invited", "resting": "paused"}
    (resting,) = [verdict for verdict in made.verdicts if verdict.client == "resting"]
    assert why(resting) == (
        "its administrator paused it; to go on, at the site: fairwind site resume"
    )


def test_a_client_that_declined_until_a_time_is_left_out_until_then():
    over, not_over = (
        Reason(code="outside_site_windows", text="-", not_before=at) for at in (NOON, NOON + HOUR)
    )
    later, now = client("later", decline=not_over), client("now", decline=over)
    made = plan(situation(*some(2), later, now))
    assert codes(made) == {"c0": "invited", "c1": "invited", "later": "declined", "now": "invited"}


def test_a_client_whose_site_stopped_its_training_is_left_out_for_an_hour():
    problems = {"slow": problem(code="too_long")}
    now = situation(*some(2), client("slow"), problems=problems)
    assert codes(plan(now)) == {"c0": "invited", "c1": "invited", "slow": "too_long"}
    assert codes(plan(replace(now, wall_now=NOON + HOUR)))["slow"] == "invited"


@pytest.mark.parametrize(
    ("status", "count", "code", "pause_s"),
    [
        ("failed", 1, "failed", 10),
        ("failed", 2, "failed", 20),
        ("failed", 3, "failing", 40),
        ("refused", 1, "failed", 10),
        ("declined", 2, "declined", 20),
        ("given_up", 1, "failed", 10),
        ("undelivered", 1, "undelivered", 10),
        ("failed", 30, "failing", 3600),
    ],
)
def test_a_client_backs_off_from_each_problem_and_longer_each_time(status, count, code, pause_s):
    now = situation(*some(2), client("bad"), problems={"bad": problem(count, status=status)})
    for passed_s, expected in ((0, code), (pause_s - 1, code), (pause_s, "invited")):
        later = replace(now, wall_now=NOON + timedelta(seconds=passed_s))
        assert codes(plan(later))["bad"] == expected


def test_a_clock_that_was_set_back_holds_no_client():
    now = situation(*some(2), client("bad"), problems={"bad": problem(9)})
    assert codes(plan(replace(now, wall_now=NOON - HOUR)))["bad"] == "invited"


def test_over_selection_invites_more_and_aims_at_the_cohort():
    made = plan(situation(*some(20)), cohort=5, over_selection=0.3)
    assert (len(made.cohort), made.target) == (7, 5)  # 5 * 1.3 = 6.5, rounded up


def test_the_target_is_no_more_than_who_can_be_invited():
    made = plan(situation(*some(3)), cohort=10)
    assert (len(made.cohort), made.target) == (3, 3)


def test_a_round_beyond_the_budget_is_refused_whole():
    # Two updates of 2 Wh at 50 g/kWh: 0.2 g.
    spent = situation(*some(2), spent_gco2eq=0.5)
    assert plan(spent, grams=0.71, policy="all").waiting is None
    made = plan(spent, grams=0.69, policy="all")
    assert (made.cohort, made.waiting) == ((), "over_budget")
    assert set(codes(made).values()) == {"over_budget"}
    assert made.expected_gco2eq == pytest.approx(0.2)


def test_what_nobody_has_experience_of_costs_nothing_expected():
    made = plan(situation(client("a"), client("b")), grams=0.001)
    assert made.cohort == ("a", "b")
    assert [verdict.expected_gco2eq for verdict in made.verdicts] == [None, None]


def test_a_short_round_invites_only_who_may_be_asked_again():
    parts = {
        "c0": "open",
        "c1": "accepted",
        "c2": "declined",
        "c3": "failed",
        "c4": "refused",
        "c5": "given_up",
    }
    problems = {"c3": problem(), "c4": problem(status="refused")}
    made = plan(situation(*some(7), problems=problems), open_round(accepted=1, **parts), quorum=9)
    assert codes(made) == {
        "c0": "in_round",
        "c1": "in_round",
        "c2": "declined",
        "c3": "failed",
        "c4": "failed",
        "c5": "invited",
        "c6": "invited",
    }


def test_a_site_that_declined_is_asked_again_when_its_hour_is_over():
    later = situation(*some(2), now=NOON + 2 * HOUR)
    assert codes(plan(later, open_round(c0="declined"), quorum=2))["c0"] == "invited"


def test_a_site_that_was_only_asked_too_late_is_asked_at_once():
    so_far = open_round(c0="declined")
    so_far.cohort["c0"].reason = Reason(code="too_late", text="It was too late.")
    assert codes(plan(situation(*some(2)), so_far, quorum=2))["c0"] == "invited"


def test_a_site_that_failed_is_asked_again_in_the_same_round_once_it_has_backed_off():
    problems = {"c0": replace(problem(), lifted=True), "c1": problem(status="refused")}
    now, so_far = situation(*some(2), problems=problems), open_round(c0="failed", c1="refused")
    assert codes(plan(now, so_far, quorum=2)) == {"c0": "invited", "c1": "failed"}
    later = replace(now, wall_now=NOON + timedelta(seconds=10))
    assert codes(plan(later, so_far, quorum=2)) == {"c0": "invited", "c1": "invited"}


def test_a_short_round_invites_no_more_than_its_quorum_misses():
    made = plan(situation(*some(9)), open_round(accepted=1), quorum=3)
    assert len(made.cohort) == 2


def test_a_short_round_waits_if_nobody_can_be_asked():
    now = situation(trained("c0"), problems={"c0": problem()})
    made = plan(now, open_round(c0="failed"))
    assert (made.cohort, made.waiting) == ((), "too_few")


def test_with_a_small_cohort_rounds_differ_but_the_same_round_does_not():
    now = situation(*some(10))
    drawn = [plan_round(spec(cohort=2), now, number=n, so_far=None).cohort for n in range(1, 20)]
    again = [plan_round(spec(cohort=2), now, number=n, so_far=None).cohort for n in range(1, 20)]
    assert drawn == again
    assert len(set(drawn)) > 5


def test_seeds_depend_on_run_round_and_subject():
    seeds = {
        derive_seed(seed, run, number, subject)
        for seed in (0, 1)
        for run in ("r", "s")
        for number in (1, 2)
        for subject in ("a", "b")
    }
    assert len(seeds) == 16
    assert all(0 <= seed < 2**63 for seed in seeds)


clients_ = st.lists(
    st.fixed_dictionaries(
        {
            "alive": st.sampled_from([True, True, True, False]),
            "updates": st.integers(0, 5),
            "energy_per_update_wh": st.none() | st.floats(0.1, 10),
        }
    ),
    max_size=12,
)
situations = st.builds(
    lambda people, states, busy, failures, intensity, spent: situation(
        *(client(f"c{i}", **fields) for i, fields in enumerate(people)),
        gates={f"c{i}": gate(state) for i, state in enumerate(states)},
        busy=frozenset(f"c{i}" for i in busy),
        problems={f"c{i}": problem(3) for i in failures},
        readings={f"c{i}": None if x is None else grid(x) for i, x in enumerate(intensity)},
        spent_gco2eq=spent,
    ),
    people=clients_,
    states=st.lists(st.sampled_from(get_args(State)), max_size=12),
    busy=st.sets(st.integers(0, 11), max_size=4),
    failures=st.sets(st.integers(0, 11), max_size=4),
    intensity=st.lists(st.none() | st.floats(0, 900), min_size=12, max_size=12),
    spent=st.floats(0, 1),
)
asked_ = st.fixed_dictionaries(
    {
        "policy": st.sampled_from(sorted(POLICIES)),
        "cohort": st.none() | st.integers(2, 6),
        "over_selection": st.sampled_from([0.0, 0.3, 1.0]),
        "quorum": st.integers(1, 2),
        "seed": st.integers(0, 3),
        "grams": st.none() | st.floats(0.1, 5),
    }
)
rounds = st.none() | st.builds(
    lambda statuses, accepted: open_round(
        accepted=accepted, **{f"c{i}": status for i, status in enumerate(statuses)}
    ),
    statuses=st.lists(
        st.sampled_from(["open", "accepted", "declined", "failed", "refused", "given_up"]),
        max_size=6,
    ),
    accepted=st.integers(0, 2),
)


@given(now=situations, asked=asked_, so_far=rounds)
def test_only_clients_that_may_train_are_invited(now, asked, so_far):
    made = plan(now, so_far, **asked)
    by_id = {c.id: c for c in now.clients}
    assert len(set(made.cohort)) == len(made.cohort)
    for name in made.cohort:
        assert now.gates[name].is_open
        assert by_id[name].alive
        assert name not in now.busy
        assert name not in now.problems or not now.problems[name].holds(now.wall_now)
        if so_far is not None and name in so_far.cohort:
            part = so_far.cohort[name]
            assert part.status not in ("open", "accepted")
            assert part.status in ("failed", "refused", "given_up")


@given(now=situations, asked=asked_)
def test_a_cohort_is_never_larger_than_wanted_nor_smaller_than_the_quorum(now, asked):
    made = plan(now, **asked)
    if made.waiting is not None:
        assert made.cohort == ()
        return
    assert made.target <= len(made.cohort)
    assert len(made.cohort) >= asked["quorum"]
    if asked["cohort"] is not None and asked["policy"] != "all":
        assert len(made.cohort) <= math.ceil(asked["cohort"] * (1 + asked["over_selection"]))


@given(now=situations, asked=asked_, so_far=rounds)
def test_a_plan_never_expects_to_exceed_the_budget(now, asked, so_far):
    assume(asked["grams"] is not None)
    made = plan(now, so_far, **asked)
    if made.cohort:
        assert made.expected_gco2eq <= asked["grams"] - now.spent_gco2eq


@given(now=situations, asked=asked_, so_far=rounds)
def test_the_same_inputs_give_the_same_plan(now, asked, so_far):
    assert plan(now, so_far, **asked) == plan(now, so_far, **asked)


@given(now=situations, asked=asked_, so_far=rounds)
def test_every_client_gets_a_verdict_with_a_sentence(now, asked, so_far):
    made = plan(now, so_far, **asked)
    assert [verdict.client for verdict in made.verdicts] == [c.id for c in now.clients]
    for verdict in made.verdicts:
        sentence = why(verdict)
        assert len(sentence) > 20
        assert "\n" not in sentence


def test_the_verdict_of_an_invited_client_names_gate_score_and_emissions():
    made = plan(situation(*some(2)), policy="score")
    sentence = why(made.verdicts[0])
    assert sentence == (
        "open: 50 gCO2eq/kWh is at or below the threshold of 200; invited: score 0.50, "
        "about 100 mgCO2eq an update"
    )


def test_a_verdict_shows_the_note_of_the_policy():
    # Two of three places: all emit the same in this hour, the only one that is known.
    made = plan(situation(*some(3)), policy="fairwind", cohort=2)
    notes = {why(verdict).partition("; ")[2] for verdict in made.verdicts}
    price = "its reservation price is 100 mgCO2eq"
    assert notes == {
        f"it is planned to emit 100 mgCO2eq; {price} for a whole update",
        f"an update would emit 100 mgCO2eq now and {price}; others gain more from this hour",
    }
