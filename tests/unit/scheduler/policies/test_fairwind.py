"""fairwind: who trains, when, how much, what it counts; each worked out by hand."""

from random import Random

import pytest

from scheduler.policies.candidate_table import CandidateTable
from scheduler.policies.planning.hourly_emissions import hourly_emissions
from scheduler.policies.planning.participation import participation
from scheduler.policies.policy import POLICIES
from tests.unit.scheduler.policies.course import OPTIONS, WAITS, WHOLE, ask, site
from tests.unit.scheduler.policies.laws import rounds


def shares(*candidates, fairness=0.0) -> list[float]:
    pool = CandidateTable.of(candidates)
    ground = hourly_emissions(pool, horizon_h=48.0, end_h=None)
    return list(participation(pool, ground, fairness=fairness))


def test_the_defaults_are_those_of_the_registry():
    assert {name: o.default for name, o in POLICIES["fairwind"].options.items()} == OPTIONS


def test_shares_fall_with_the_root_of_the_cost():
    # 100 and 400 g an update: 1/10 and 1/20, that is 2 : 1.
    assert shares(site("a", 100.0), site("b", 400.0)) == pytest.approx([2 / 3, 1 / 3])


def test_shares_grow_with_the_loss_at_most_twice_the_middle_and_at_least_half():
    # Losses of 1, 2, 3 and 50: the middle is 2.5. 0.5, 0.8, 1.2 and 2, together 4.5.
    told = [site(n, 100.0, utility=u) for n, u in zip("abcd", (100, 200, 300, 5000), strict=True)]
    assert shares(*told) == pytest.approx([0.5 / 4.5, 0.8 / 4.5, 1.2 / 4.5, 2 / 4.5])


def test_a_loss_nobody_told_is_the_middle_one():
    assert shares(site("a", 100.0), site("b", 100.0, utility=50.0)) == [0.5, 0.5]


def test_fairness_moves_shares_towards_even_ones():
    # p = 2/3, 1/3; Jain's index is 1 / (2 * 5/9) = 0.9.
    assert shares(site("a", 100.0), site("b", 400.0), fairness=0.9) == pytest.approx([2 / 3, 1 / 3])
    assert shares(site("a", 100.0), site("b", 400.0), fairness=1.0) == pytest.approx([0.5, 0.5])


def test_a_round_waits_for_the_better_of_two_hours():
    # One round within two hours: price 300 (the middle of 200 and 400, for half of the two hours).
    told = {"rounds_left": 1, "hours_left": 2.0, "options": WAITS}
    answer = ask(site("a", 400.0, 200.0), **told)
    assert answer.cohort == ()
    # In the better hour its update emits 200 g less.
    assert answer.because == {
        "code": "better_hours_ahead", "hours_ahead": 2.0, "better_hours": 1.0, "hours_needed": 1.0,
        "best_in_h": 1.0, "saves_gco2eq": pytest.approx(200.0),
    }  # fmt: skip


def test_a_round_is_held_in_the_best_hour():
    answer = ask(site("a", 200.0, 400.0), rounds_left=1, hours_left=2.0, options=WAITS)
    assert list(answer.cohort) == ["a"]
    assert answer.because["code"] == "among_best_hours"
    assert answer.because["saves_gco2eq"] == 0.0


def test_nobody_waits_without_slack_or_without_an_end():
    rising = site("a", 400.0, 200.0, 100.0)
    assert ask(rising, rounds_left=3, hours_left=3.0, options=WAITS).because["code"] == "no_slack"
    assert ask(rising, rounds_left=3, options=WAITS).because["code"] == "no_deadline"
    assert ask(rising, options=WAITS).because["code"] == "no_deadline"


def test_nothing_waits_by_default_however_much_time_there_is():
    rising = site("a", 400.0, 200.0, 100.0)
    answer = ask(rising, rounds_left=1, hours_left=3.0)
    assert (list(answer.cohort), answer.because["code"]) == (["a"], "at_once")
    last = ask(rising, number=10, rounds_left=1, hours_left=3.0)
    assert last.because["code"] == "closing"


def test_without_waiting_no_hour_after_the_last_round_is_planned():
    # One round left: the cleaner hour of b is not planned, so its price is what it emits now.
    pair = site("a", 100.0, 100.0), site("b", 300.0, 50.0)
    told = {"rounds_left": 1, "hours_left": 9.0}
    assert ask(*pair, **told).notes["b"]["price_gco2eq"] == 300.0
    assert ask(*pair, **told, options=WAITS).because["code"] == "better_hours_ahead"


def test_who_has_waited_too_long_goes_first_and_ends_the_waiting():
    # 5 days on; patience is 72 h, and twice an even turn: 2 * 2 clients * 5 hours / 1 update.
    past = rounds("a", *[()] * 119)
    clean, late = site("a", 100.0, 400.0), site("b", 400.0, *[100.0] * 4, waited_h=80.0)
    answer = ask(
        late, clean, wanted=1, rounds_left=1, hours_left=5.0, past=past,
        options=WAITS | {"closing": 0.0},
    )  # fmt: skip
    assert list(answer.cohort) == ["b"]
    assert (answer.because["code"], answer.because["overdue"]) == ("overdue", 1.0)
    early = site("b", 400.0, *[100.0] * 4, waited_h=70.0)
    told = {"wanted": 1, "rounds_left": 1, "hours_left": 5.0, "options": WAITS}
    assert ask(early, past=past, **told).cohort == ()


def test_no_wait_is_longer_than_the_run():
    # The site waited before the run began; since then it is half an hour.
    past = rounds("b")
    answer = ask(site("a", 9.0, waited_h=500.0), past=past)
    assert answer.because["code"] == "at_once"


def test_who_emits_more_does_less_in_proportion_to_the_digit_and_half_an_epoch_at_least():
    # Full share 0: measured by the cleanest, 100 g. 100/160 and 100/3000 of 2 epochs are 1.25 and
    # 0.07.
    sites = site("a", 100.0), site("b", 160.0), site("c", 3000.0)
    options = {"full_share": 0.0}
    assert ask(*sites, epochs=2, options=options).epochs == {"b": 1.25, "c": 0.5}
    assert ask(*sites, epochs=2, options=options | {"floor": 0.25}).epochs["c"] == 0.25


def test_without_parts_epochs_are_whole():
    whole = {"full_share": 0.0, "parts": 0.0}
    answer = ask(site("a", 100.0), site("b", 240.0), epochs=5, options=whole)
    assert answer.epochs == {"b": 2}
    assert ask(site("a", 100.0), site("b", 3000.0), epochs=2, options=whole).epochs == {"b": 1}


def test_relative_gains_do_not_favour_updates_of_much_energy():
    # Due once in two hours, so that the price is near the mean of both hours. Now a emits about
    # 500 g below its 1500 g, a third, and b about 90 g below its 110 g, most of it.
    big = site("a", 100.0, 200.0, energy_wh=10_000.0, num_examples=1000)
    small = site("b", 20.0, 200.0)
    told = {"wanted": 1, "rounds_left": 2, "hours_left": 2.0, "number": 2}
    assert ask(big, small, **told).cohort == ["b"]
    assert ask(big, small, **told, options={"relative": 0.0}).cohort == ["a"]


def test_a_budget_is_met_by_fewer_epochs_then_by_fewer_clients():
    # Now 300, usually 200 g: 800 g a round of four.
    four = [site(name, 300.0, 100.0) for name in "abcd"]
    told = {"epochs": 5, "rounds_left": 10, "options": {"closing": 0.0, "parts": 0.0}}
    assert ask(*four, **told).epochs == {}
    # 480 g for each of ten rounds: 120 g for each client, two of five epochs at 60 g.
    answer = ask(*four, grams=4800.0, **told)
    assert (len(answer.cohort), set(answer.epochs.values())) == (4, {2})
    # A round of one epoch each usually costs 160 g, so 200 g pay for 1.25 of them: 160 g for this
    # one, an epoch of 60 g each of two clients.
    answer = ask(*four, grams=200.0, **told)
    assert (len(answer.cohort), set(answer.epochs.values())) == (2, {1})
    assert len(ask(*four, grams=200.0, quorum=4, **told).cohort) == 4
    assert len(ask(*four, grams=0.0, **told).cohort) == 1


def test_a_budget_that_pays_for_fewer_rounds_is_spent_in_fewer_hours():
    # 100 or 400 g a round, 250 g in the mean: 500 g pay for two of three rounds in three hours.
    rising = site("a", 400.0, 100.0, 250.0)
    options = WAITS | {"closing": 0.0, "full_share": 1.0, "parts": 0.0}
    told = {"rounds_left": 3, "hours_left": 3.0, "options": options}
    assert list(ask(rising, **told).cohort) == ["a"]
    assert ask(rising, grams=500.0, **told).because["code"] == "better_hours_ahead"


def test_examples_of_who_is_asked_seldom_weigh_more():
    # Shares 2/3 and 1/3 of two: 1 / (2 * 2/3) and 1 / (2 * 1/3).
    answer = ask(site("a", 100.0), site("b", 400.0))
    assert answer.weights == pytest.approx({"a": 0.75, "b": 1.5})
    assert ask(site("a", 100.0), site("b", 100.0)).weights == {}


def test_the_last_round_of_ten_or_more_invites_everybody():
    pair = [site("a", 100.0), site("b", 900.0)]
    answer = ask(*pair, wanted=1, number=10, rounds_left=1)
    assert (list(answer.cohort), answer.target) == (["a", "b"], 2)
    assert answer.because == {"code": "closing", "rounds_left": 1.0}
    assert len(ask(*pair, wanted=1, number=9, rounds_left=1).cohort) == 1
    assert len(ask(*pair, wanted=1, number=9, rounds_left=2).cohort) == 1
    assert len(ask(*pair, wanted=1, number=10, rounds_left=1, options={"closing": 0}).cohort) == 1


def test_a_closing_round_keeps_to_the_budget_or_is_not_held():
    # 1 kWh and 5 epochs: an epoch of all emits 20 + 180 g.
    pair = [site("a", 100.0), site("b", 900.0)]
    told = {"wanted": 1, "number": 10, "rounds_left": 1, "epochs": 5}

    assert ask(*pair, grams=200.0, options=WHOLE, **told).epochs == {"a": 1, "b": 1}
    assert len(ask(*pair, grams=199.0, options=WHOLE, **told).cohort) == 1
    # Half an epoch of all emits half as much.
    assert ask(*pair, grams=100.0, **told).epochs == {"a": 0.5, "b": 0.5}
    assert len(ask(*pair, grams=99.0, **told).cohort) == 1


def test_a_closing_round_waits_for_its_best_hour():
    pair = [site("a", 300.0, 100.0), site("b", 300.0, 400.0)]
    told = {"wanted": 1, "number": 10, "rounds_left": 1, "options": WAITS}
    # 600 g now, 500 g in an hour.
    answer = ask(*pair, hours_left=2.0, **told)
    assert not answer.cohort
    assert answer.because["saves_gco2eq"] == pytest.approx(100.0)
    assert len(ask(*pair, hours_left=1.0, **told).cohort) == 2


def test_what_closing_rounds_want_is_kept_for_them_if_they_can_come():
    # 10 rounds; the last of 4 clients, one epoch each, emits 80 g, and 20 g are left for nine.
    four = [site(name, 100.0) for name in "abcd"]
    told = {"epochs": 5, "number": 9, "grams": 400.0, "spent_gco2eq": 300.0, "options": WHOLE}
    assert len(ask(*four, rounds_left=2, **told).cohort) == 1
    # A run that its grams end never comes to closing rounds: nothing is kept.
    assert len(ask(*four, **(told | {"number": 30})).cohort) == 4


def test_equal_clients_are_drawn_by_lot():
    six = [site(name, 9.0) for name in "abcdef"]
    drawn = {tuple(ask(*six, wanted=2, rng=Random(n)).cohort) for n in range(30)}
    assert len(drawn) > 5


def test_nobody_is_found_among_nobody_and_for_no_place():
    assert ask().cohort == ()
    assert ask(site("a", 100.0), wanted=0).cohort == ()


def test_figures_of_the_notes_are_those_of_the_choice():
    # Half of two rounds each, one update in two hours: the price is between both, 200 g.
    answer = ask(
        site("a", 100.0, 300.0), site("b", 200.0, 200.0), wanted=1, rounds_left=2, epochs=4
    )
    assert list(answer.cohort) == ["a"]
    assert answer.notes["a"] == {
        "code": "price", "price_gco2eq": 200.0, "now_gco2eq": 100.0, "planned_gco2eq": 100.0,
        "due_updates": 1.0, "share": 0.5,
    }  # fmt: skip
    assert list(answer.notes) == ["a", "b"]


def test_an_update_without_energy_has_a_reservation_price_of_zero():
    answer = ask(site("a", 100.0, energy_wh=0.0), site("b", 100.0, energy_wh=0.0), wanted=1)
    assert {note["price_gco2eq"] for note in answer.notes.values()} == {0.0}
