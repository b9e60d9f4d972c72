"""Past rounds judged again: how often a client was, and would have been, among the best."""

from hypothesis import given
from hypothesis import strategies as st

from scheduler.advice.chance import Chances, PlannedRound, Shift, look_back, would_have
from scheduler.advice.clean_hours import cleanest_window
from scheduler.carbon.reading import Reading
from scheduler.ledger.blobs import Blobs
from scheduler.selection.plan import plan_round
from scheduler.selection.verdict_blob import VerdictTable, keep_verdicts, read_verdicts
from tests.unit.scheduler.advice.cases import DAY, MONDAY, RULE, grid, noon_is_clean, past_round
from tests.unit.scheduler.selection.test_plan import situation, some
from tests.unit.scheduler.story import HOUR, NOON, Story, spec

OPEN = {"a": "invited", "b": "invited", "c": "not_sampled", "d": "not_sampled"}


def test_rounds_are_counted_as_they_were():
    rounds = [
        past_round({"a": "invited", "b": "invited"}, {"a": 1.0, "b": 2.0}, places=1),
        past_round({"a": "gate_closed", "b": "invited"}, {"a": 1.0, "b": 2.0}, places=1),
        past_round({"a": "not_sampled", "b": "invited"}, {"a": 3.0, "b": 2.0}, places=1),
        past_round({"b": "invited"}, {"b": 2.0}, places=1),
    ]
    assert look_back("a", rounds) == Chances(rounds=3, open=2, within=1, drawn=1)


def test_who_was_never_judged_has_no_chances():
    assert look_back("x", [past_round(OPEN)]) is None
    assert would_have("x", [past_round(OPEN)], effects={}) is None
    assert look_back("a", []) is None


def test_fewer_grams_lift_a_client_among_the_best():
    # Two places; d emits most. At a tenth of its grams it emits least.
    rounds = [past_round(OPEN, {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}, places=2)]
    assert look_back("d", rounds) == Chances(1, 1, 0, 0)
    assert would_have("d", rounds, effects={"grams_per_update": 0.1}) == Chances(1, 1, 1, None)
    assert would_have("d", rounds, effects={"grams_per_update": 0.9}) == Chances(1, 1, 0, None)


def test_where_everybody_is_invited_an_open_gate_is_enough():
    rounds = [past_round(OPEN, {"d": 900.0, "a": 1.0})]
    assert look_back("d", rounds) == Chances(1, 1, 1, 0)


def test_less_energy_opens_no_gate():
    rounds = [past_round({"a": "gate_closed", "b": "invited"}, {"a": 1.0, "b": 2.0})]
    assert would_have("a", rounds, effects={"grams_per_update": 0.1}) == Chances(1, 0, 0, None)


def shift(past: tuple[Reading, ...]) -> Shift:
    window = cleanest_window(past)
    assert window is not None
    return Shift(window, past, RULE)


def test_clean_hours_open_a_gate_that_was_closed():
    past = grid(MONDAY - 7 * DAY, 14 * 24, noon_is_clean)
    night = MONDAY + 2 * HOUR
    rounds = [past_round({"a": "gate_closed", "b": "invited"}, {"a": 3.0, "b": 2.0}, at=night)]
    moved = would_have("a", rounds, effects={}, shift=shift(past))
    assert moved == Chances(1, 1, 1, None)


def test_in_clean_hours_an_update_emits_less_and_ranks_better():
    # At 02:00 the grid says 300, in the window 100 g/kWh: 3 g become 1 g, less than b's 2 g.
    past = grid(MONDAY - 7 * DAY, 14 * 24, noon_is_clean)
    night = MONDAY + 2 * HOUR
    codes, grams = {"a": "not_sampled", "b": "invited"}, {"a": 3.0, "b": 2.0}
    rounds = [past_round(codes, grams, at=night, places=1)]
    assert look_back("a", rounds) == Chances(1, 1, 0, 0)
    assert would_have("a", rounds, effects={}, shift=shift(past)) == Chances(1, 1, 1, None)


def test_no_hour_opens_a_gate_above_the_ceiling():
    past = grid(MONDAY - 7 * DAY, 14 * 24, lambda at: 1000 + noon_is_clean(at))
    rounds = [past_round({"a": "gate_closed"}, {"a": 1.0}, at=MONDAY)]
    assert would_have("a", rounds, effects={}, shift=shift(past)) == Chances(1, 0, 0, None)


def test_a_silent_client_is_not_chosen_whatever_the_hour():
    past = grid(MONDAY - 7 * DAY, 14 * 24, noon_is_clean)
    rounds = [past_round({"a": "silent"}, {"a": 1.0}, at=MONDAY)]
    assert would_have("a", rounds, effects={}, shift=shift(past)) == Chances(1, 0, 0, None)


codes = st.sampled_from(["invited", "not_sampled", "gate_closed", "silent"])
rounds_ = st.lists(
    st.builds(
        lambda story, places: past_round(
            {name: code for name, (code, _) in story.items()},
            {name: grams for name, (_, grams) in story.items()},
            places=places,
        ),
        story=st.dictionaries(
            st.sampled_from("abcd"), st.tuples(codes, st.none() | st.floats(0.01, 100)), min_size=1
        ),
        places=st.none() | st.integers(1, 3),
    ),
    max_size=5,
)


@given(rounds=rounds_, factor=st.floats(0, 1))
def test_emitting_less_never_costs_a_round_and_opens_no_gate(rounds, factor):
    before = look_back("a", rounds)
    after = would_have("a", rounds, effects={"grams_per_update": factor})
    assert (before is None) == (after is None)
    if before is None or after is None:
        return
    assert after.rounds == before.rounds
    assert before.within <= after.within <= after.open == before.open <= before.rounds


def test_a_round_is_judged_again_from_what_is_kept_of_it(tmp_path):
    story = Story("c0", "c1", "c2")
    story.start(spec(cohort=2, over_selection=0.5))
    made = plan_round(spec(cohort=2), situation(*some(3)), number=1, so_far=None)
    blobs = Blobs(tmp_path)
    table = read_verdicts(blobs, keep_verdicts(blobs, made.verdicts))
    assert table is not None
    past = PlannedRound.planned(story.state.runs["r"], NOON, table)
    assert (past.at, past.places) == (NOON, 3)  # 2 x 1.5
    assert {v.client: v.code for v in past.verdicts} == {v.client: v.code for v in made.verdicts}
    verdict = past.of("c0")
    assert verdict is not None
    # 2 Wh at 50 g/kWh.
    assert verdict.figures["grams_per_update"] == 0.1
    assert past.weights["grams_per_update"] == 0.5


def test_a_run_without_a_cohort_has_places_for_everybody():
    story = Story("c0")
    story.start(spec())
    nothing = VerdictTable(weights={}, rows=())
    assert PlannedRound.planned(story.state.runs["r"], NOON, nothing).places is None
