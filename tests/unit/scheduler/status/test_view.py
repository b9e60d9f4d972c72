"""The view tells a run as it stands, and says what is unknown."""

from datetime import UTC, datetime
from typing import Any

import pytest

from common.clock import GridClock
from common.errors import FederationError
from common.messages import Reason
from scheduler.ledger.events import (
    Because,
    ClientPaused,
    ClientResumed,
    ClientRetired,
    RunBlocked,
    RunEnded,
    RunPaused,
    RunResumed,
    RunStarted,
    RunUnblocked,
    RunWaiting,
    SignalFellBack,
    SignalRecovered,
    UpdateAccepted,
)
from scheduler.status import rounds as status_rounds
from scheduler.status.explain import explain_run
from scheduler.status.summary import summary
from scheduler.status.view import view
from tests.unit.scheduler.story import HOUR, NOON, Story, given_up, spec


def seen(story: Story, run: str | None = None) -> dict[str, Any]:
    return view(story.state, run, clock=GridClock(), threshold=200.0, ceiling=1000.0)


def said(story: Story) -> str:
    return explain_run(
        story.state, story.state.runs.get("r"), now=story.now, wall_now=story.now
    ).sentence


def test_without_a_run_the_command_that_starts_one_is_shown():
    assert "fairwind run start" in said(Story("a"))
    assert said(Story()) == (
        "No client is enrolled yet. Enrol one: fairwind enroll CLIENT --zone ZONE"
    )


def test_who_trains_and_who_waits_for_cleaner_power_is_named():
    story = Story("a", "b", "c")
    story.gate("c", "closed")
    story.start()
    story.plan("a", "b")
    assert said(story) == "Training at a and b; c waits for cleaner power."


def test_a_round_that_waits_says_how_many_gates_are_open():
    story = Story("a", "b")
    story.gate("b", "closed")
    story.start()
    assert said(story) == "Waiting for clean power: the gate of b is closed (2 needed, 1 ready)."
    story.gate("a", "closed")
    assert said(story) == (
        "Waiting for clean power: the gates of a and b are closed (2 needed, 0 ready)."
    )


def test_a_round_that_waits_for_a_paused_site_says_how_to_go_on():
    story = Story("a", "b")
    story.start()
    story.tell(ClientPaused(), client="b")
    assert said(story) == (
        "Waiting for b: its administrator paused it (2 needed, 1 ready). "
        "To go on, at the site: fairwind site resume"
    )
    (_, row) = seen(story)["clients"]
    assert (row["state"], row["blocker"]) == ("paused", "paused")
    assert row["why"] == (
        "its administrator paused it; to go on, at the site: fairwind site resume"
    )
    story.tell(ClientResumed(), client="b")
    assert said(story) == "The next round is about to start."


def test_the_zone_of_a_retired_client_is_seen_where_it_worked_for_the_run_alone():
    story = Story("a", "b")
    story.enrol("idle", zone="ES")
    story.enrol("busy", zone="DE")
    story.start()
    story.plan("a", "busy")
    story.answer("busy")
    for client in ("idle", "busy"):
        story.tell(ClientRetired(), client=client)
    assert [zone["zone"] for zone in seen(story)["zones"]] == ["DE", "FR"]


def test_a_round_that_waits_for_a_site_that_declined_until_a_time_says_why():
    story = Story("a", "b")
    story.start(spec(quorum=2))
    story.plan("a", "b")
    outside = "outside its hours 22:00-06:00 UTC; it is 14:00"
    reason = Reason(code="outside_site_windows", text=outside, not_before=story.now + 8 * HOUR)
    story.answer("a")
    story.answer("b", outcome="declined", reason=reason)
    story.later(2 * HOUR)
    assert said(story) == (
        "Round 1 has 1 of 2 updates. b declined: outside its hours 22:00-06:00 UTC "
        "(1 needed, 0 ready)."
    )


def test_a_round_that_waits_for_its_policy_or_because_of_it_says_so():
    story = Story("a", "b")
    story.start()
    story.tell(RunWaiting(reason="policy_waits"), run="r", number=1)
    assert said(story) == (
        "The policy fairwind waits for a better hour, although 2 clients could train."
    )
    because: Because = {
        "code": "better_hours_ahead", "hours_ahead": 48.0, "better_hours": 21.0,
        "hours_needed": 17.0, "saves_gco2eq": 1.2,
    }  # fmt: skip
    best_at = datetime(2026, 7, 6, 9, tzinfo=UTC)
    waiting = RunWaiting(reason="policy_waits", because=because, best_at=best_at)
    story.tell(waiting, run="r", number=1)
    assert said(story) == (
        "The policy fairwind waits: 21 of the next 48 hours are cleaner for the clients that are "
        "due, and the rounds left need 17; the best begins at Mon 09:00 UTC and saves at least "
        "1.2 gCO2eq."
    )


def test_a_run_that_never_began_does_not_hide_one_that_did_work():
    story = Story("a", "b")
    story.start(spec(quorum=1))
    story.plan("a")
    story.answer("a")
    story.close()
    story.tell(RunEnded(reason="stopped"), run="r")
    mistyped = spec(id="mistyped", workload="digit")
    story.tell(RunStarted(spec=mistyped), run="mistyped")
    assert seen(story)["run"]["id"] == "mistyped"
    story.tell(RunBlocked(step="open", text="There is no workload digit."), run="mistyped")
    assert seen(story)["run"]["id"] == "r"
    assert "There is no workload digit." in seen(story)["beside"][0]
    story.tell(RunEnded(reason="stopped"), run="mistyped")
    assert seen(story)["run"]["id"] == "r"
    assert seen(story, "mistyped")["run"]["id"] == "mistyped"


def test_a_clients_work_for_the_run_stands_apart_from_all_it_ever_did():
    story = Story("a")
    for number in range(2):
        story.start(spec(id=f"r{number}", quorum=1))
        story.plan("a", run=f"r{number}")
        story.answer("a", f"word{number}", run=f"r{number}", round=1)
        story.close(f"r{number}")
    (row,) = seen(story, "r0")["clients"]
    assert (row["rounds"], row["run_energy_wh"], row["run_gco2eq"]) == (1, 2.0, 0.1)
    assert (row["energy_wh"], row["gco2eq"]) == (4.0, 0.2)


def test_a_blocked_run_says_what_fails_and_what_to_do():
    story = Story("a", "b")
    story.start()
    story.tell(RunBlocked(step="score", text="It broke. Mend it."), run="r")
    assert said(story) == (
        "r is blocked, as scoring its newest version fails: It broke. Mend it. To end the run "
        "instead: fairwind run stop r"
    )
    run = seen(story)["run"]
    assert run["status"] == "blocked"
    assert run["blocked"] == {
        "step": "score", "text": "It broke. Mend it.", "since": NOON.timestamp(),
    }  # fmt: skip
    story.tell(RunUnblocked(), run="r")
    assert seen(story)["run"]["blocked"] is None


def test_a_blocked_run_is_noticed_beside_another_that_is_shown():
    story = Story("a", "b")
    story.start()
    story.tell(RunBlocked(step="plan", text="It broke."), run="r")
    story.start(spec(id="other"))
    view = seen(story)
    assert view["run"]["id"] == "other"
    assert view["beside"] == ["r is blocked, as planning its next round fails: It broke."]
    assert view["notice"] is None


def test_the_score_of_the_last_version_is_no_round_of_its_own():
    story = Story("a", "b")
    story.start(spec(rounds=1))
    story.plan("a", "b")
    story.answer("a")
    story.answer("b")
    story.close()
    story.plan("a", evaluates=True)
    view = seen(story)
    assert view["verdict"] == "The last version is being scored at a."
    assert [row["round"] for row in view["rounds"]] == [1]
    assert view["why"].startswith("Round 1 of 1,")


def test_a_round_under_way_says_why_its_policy_held_it_now():
    story = Story("a", "b")
    story.start()
    story.plan("a", "b", because={"code": "no_slack"})
    assert seen(story)["why"] == (
        "Round 1 of 3, digits, policy fairwind: the rounds that are left need all the time that is "
        "left."
    )


def test_a_round_nobody_is_left_to_answer_in_says_so():
    story = Story("a", "b")
    story.start()
    story.plan("a", "b")
    story.answer("a")
    story.answer("b", outcome="declined")
    assert said(story) == ("Round 1 has 1 of 2 updates. b declined (1 needed, 0 ready).")


def test_an_ended_run_says_why():
    story = Story("a", "b")
    story.start()
    story.tell(RunEnded(reason="grams", text=""), run="r")
    assert said(story) == "r has ended: its gram budget is spent."


def test_an_ended_run_says_what_failed_as_it_was_stopped():
    story = Story("a", "b")
    story.start()
    story.tell(RunEnded(reason="stopped", text="No space is left. Make some."), run="r")
    assert said(story) == "r has ended: it was stopped. No space is left. Make some."


def test_the_open_round_is_shown_without_figures():
    story = Story("a", "b")
    story.start()
    story.plan("a", "b")
    row = seen(story)["rounds"][-1]
    assert (row["round"], row["ended"], row["gco2eq"]) == (1, None, None)
    assert row["cohort"] == ["a", "b"]


def test_an_unknown_baseline_is_unknown_in_every_sum():
    story = Story("a", "b")
    run = story.start()
    story.plan("a", "b")
    story.answer("a")
    story.answer("b")
    story.later(HOUR)
    story.close()
    figures = summary(run)
    # Two updates of 2 Wh at 50 gCO2eq/kWh.
    assert figures["emitted_gco2eq"] == pytest.approx(0.2)
    assert figures["baseline_gco2eq"] is None
    assert figures["avoided_share"] is None
    assert seen(story)["rounds"][0]["cumulative_baseline_gco2eq"] is None


def test_of_a_long_run_the_last_rounds_are_listed_with_the_sums_of_all(monkeypatch):
    story = Story("a")
    story.start(spec(quorum=1, rounds=9))
    for _ in range(5):
        story.plan("a")
        story.answer("a")
        story.close(mean=lambda *_: 100.0)
        story.later(HOUR)
    every = seen(story)["rounds"]
    monkeypatch.setattr(status_rounds, "SHOWN_ROUNDS", 2)
    last = seen(story)["rounds"]
    assert [row["round"] for row in last] == [4, 5]
    for row, whole in zip(last, every[3:], strict=True):
        assert row == whole | {
            "cumulative_gco2eq": pytest.approx(whole["cumulative_gco2eq"]),
            "cumulative_baseline_gco2eq": pytest.approx(whole["cumulative_baseline_gco2eq"]),
        }
    assert seen(story)["clients"][0]["rounds"] == 5


def test_a_paused_run_says_so_what_is_still_done_and_how_it_goes_on():
    story = Story("a", "b")
    story.start()
    story.plan("a", "b")
    story.tell(RunPaused(), run="r")
    goes_on = "then no round starts. To go on: fairwind run resume r"
    assert said(story) == f"r is paused. Round 1 is still being finished; {goes_on}"
    story.answer("a")
    story.answer("b")
    story.close()
    assert said(story) == "r is paused, so no round starts. To go on: fairwind run resume r"
    assert (seen(story)["run"]["status"], seen(story)["explanation"]["code"]) == (
        "paused",
        "paused",
    )
    story.tell(RunResumed(), run="r")
    assert seen(story)["run"]["status"] == "waiting"


def test_a_run_that_does_not_exist_is_an_error_that_names_those_that_do():
    story = Story("a")
    story.start(spec(id="heart-1"))
    with pytest.raises(FederationError, match=r"no run 'digits-2', .* There are: heart-1\."):
        seen(story, "digits-2")


def test_a_zone_shows_what_its_reading_is_and_where_from():
    story = Story("a")
    story.read("FR", 56.0, source="static", quality="estimated")
    (client,) = seen(story)["clients"]
    assert client["intensity"] == 56.0
    assert client["reading"] == {
        "gco2eq_per_kwh": 56.0, "source": "static", "quality": "estimated",
        "family": "average, lifecycle, consumption",
    }  # fmt: skip
    (zone,) = seen(story)["zones"]
    assert (zone["source"], zone["quality"], zone["values"]) == ("static", "estimated", [56.0])


def test_a_zone_whose_intensity_is_lost_is_unknown_from_then_on():
    story = Story("a")
    story.read("FR", 56.0)
    story.later(HOUR / 4)
    story.read("FR", None)
    story.later(HOUR / 4)
    story.read("FR", 58.0)
    shown = seen(story)
    assert shown["zones"][0]["values"] == [56.0, None, 58.0]
    begun = NOON.timestamp()
    assert shown["zones"][0]["times"] == [begun, begun + 900, begun + 1800]
    assert shown["clients"][0]["intensity"] == 58.0


def test_there_is_no_notice_while_every_signal_answers():
    story = Story("a")
    assert seen(story)["notice"] is None
    story.read("FR", 56.0)
    assert (seen(story)["notice"], seen(story)["clients"][0]["signal"]) == (None, None)


def test_a_fallback_is_said_until_the_signal_speaks_again():
    story = Story("a")
    story.enrol("b", "GB")
    story.read("FR", 56.0)
    story.read("GB", 200.0)
    story.tell(
        SignalFellBack(zone="GB", expected="neso", active_source="static", why="it is silent")
    )
    shown = seen(story)
    assert shown["notice"] == "For GB, static is used instead of neso."
    assert shown["zones"][1]["signal"] == {
        "active_source": "static", "expected": "neso", "why": "it is silent",
        "since": NOON.timestamp(),
    }  # fmt: skip
    story.tell(SignalRecovered(zone="GB", active_source="neso"))
    assert seen(story)["notice"] is None


def test_one_unknown_zone_is_named_and_all_of_them_are_an_alarm():
    story = Story("a")
    story.enrol("b", "GB")
    story.read("FR", 56.0)
    story.read("GB", None)
    assert seen(story)["notice"] == "The carbon intensity of GB is unknown."
    story.read("FR", None)
    why = "the key was refused"
    story.tell(SignalFellBack(zone="FR", expected="neso", active_source=None, why=why))
    assert seen(story)["notice"] == (
        "Every carbon signal is down: no zone's intensity is known, so gates are unknown "
        "(the key was refused)."
    )


def test_booked_and_settled_grams_stand_side_by_side():
    story = Story("a", "b")
    story.start()
    story.plan("a", "b")
    story.answer("a")
    story.book(UpdateAccepted, story.receipt("b"), None)
    story.tell(given_up("deadline"), run="r", number=1, client="b")
    figures = seen(story)["run"]
    assert figures["booked_gco2eq"] == pytest.approx(0.1)
    assert (figures["unknown_wh"], figures["unreported"]) == (2.0, 1)
    story.settle("FR", (NOON - HOUR, 80.0))  # 2 Wh each at 80: 0.16 g each
    figures = seen(story)["run"]
    assert (figures["booked_gco2eq"], figures["settled_gco2eq"]) == pytest.approx((0.1, 0.32))
    assert figures["unknown_wh"] == 0.0


def test_a_client_has_what_it_found_of_the_newest_version_that_it_evaluated():
    story = Story("a", "b", "c")
    story.start(spec(evaluate="both"))
    story.plan("a", "b", "c")
    story.answer("a", metrics={"accuracy": 0.75}, num_held_out=10)
    story.answer("b", metrics={"accuracy": None}, num_held_out=10)
    story.answer("c")
    rows = {row["client"]: row for row in seen(story)["clients"]}
    assert (rows["a"]["site_version"], rows["a"]["site_value"]) == (0, 0.75)
    assert (rows["b"]["site_version"], rows["b"]["site_value"]) == (0, None)
    assert "site_value" not in rows["c"]
