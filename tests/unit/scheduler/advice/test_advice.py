"""A card says what is known, with figures, and what is not, with the reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from common.errors import FederationError, SignalError
from common.messages import AdviceNote
from scheduler.advice import Case, RecentWork, gather, make_advice
from scheduler.advice.render import card, markdown
from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.grid import Grid
from scheduler.carbon.reading import Reading
from scheduler.carbon.signals.typical_day import TypicalDay
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.events import RunEnded
from scheduler.selection.plan import plan_round
from scheduler.selection.verdict_blob import keep_verdicts
from tests.unit.scheduler.advice.cases import DAY, RULE, case, energy, past_round, work
from tests.unit.scheduler.selection.test_plan import situation, some
from tests.unit.scheduler.story import HOUR, NOON, Story, spec


def full_case() -> Case:
    used = energy(10.0, gpu_wh=4.0, idle_wh=5.0, idle_s=60.0)
    done = [work("north", NOON - n * DAY, 300.0, energy=used, network_wh=4.0) for n in range(1, 6)]
    peers = [work(name, intensity=90.0, energy=energy(4.0, pue=1.1)) for name in ("south", "west")]
    codes = {"north": "gate_closed", "south": "invited", "west": "invited"}
    rounds = [past_round(codes, {"north": 3.0, "south": 0.4}, at=NOON - 2 * DAY)] * 3
    return case(*done, *peers, rounds=rounds)


def test_a_card_fits_a_screen_and_has_units_on_every_figure():
    text = card(make_advice(full_case()))
    lines = text.splitlines()
    assert len(lines) <= 40
    assert lines[0] == "Advice for north in DE, Wed 08 Jul 2026 12:00 UTC"
    assert "One update takes 10 Wh and emits 3 gCO2eq" in text
    # 10 Wh at 300 instead of 100 g/kWh, 5 updates in 5 days and 5 minutes: 30 a month.
    assert "saves 2 gCO2eq an update, 60 gCO2eq a month" in text
    assert "score among the best in 3 of 3 rounds instead" in text.replace("\n      ", " ")
    assert max(map(len, lines)) <= 98
    assert "0 of 3 rounds invited it" in text


def test_changes_are_only_such_as_a_site_can_make_where_it_is():
    made = make_advice(full_case())
    text = card(made).lower()
    assert "move to" not in text
    assert "sweden" not in text
    assert {line.change.name for line in made.lines} >= {"hours", "idle", "pue"}


def test_before_any_experience_a_card_says_what_is_known_and_what_is_missing():
    made = make_advice(case())
    text = card(made)
    assert made.practice is None
    assert made.lines == ()
    assert "No update of it has counted in the last five weeks of work." in text
    assert "Typical week: best" in text
    assert "no counted update in the last five weeks of work" in text.replace("\n    ", " ")


def test_what_nobody_knows_of_the_grid_is_said():
    text = card(make_advice(case(work("north"), past=(), ahead=())))
    assert "no source forecasts its grid" in text
    assert "not every hour of the week has been read yet" in text


def test_a_peer_is_compared_in_the_same_runs_only():
    other = work("south", run="other", energy=energy(0.1))
    assert make_advice(case(work("north"), other)).places == ()


def test_advice_is_json_with_full_figures_and_fits_its_message():
    made = make_advice(full_case())
    body = made.to_dict()
    assert json.loads(json.dumps(body, allow_nan=False)) == body
    assert len(body["week"]["gco2eq_per_kwh"]) == 168
    assert body["lines"][0]["change"]["computed"]
    note = AdviceNote(client="north", at=made.at, card=markdown(made), figures=body)
    assert AdviceNote.model_validate(note.model_dump(mode="json")) == note


def test_markdown_is_a_list_a_section():
    text = markdown(make_advice(full_case()))
    assert text.startswith("# Advice for north in DE")
    assert "\n## Best hours (UTC)\n\n- Now " in text


class Fails(TypicalDay):
    """A signal that knows nothing."""

    def readings(self, *_: Any) -> list[Reading]:
        msg = "unknown"
        raise SignalError(msg)


def gathered(signal: TypicalDay, client: str = "north") -> Case:
    story = Story()
    story.enrol("north", "DE")
    record = RecentWork.of(story.state, [], Blobs(Path("none")), NOON)
    return gather(story.state, record, Grid(signal), RULE, client)


def test_a_case_is_gathered_from_ledger_and_grid():
    found = gathered(TypicalDay())
    assert found.past[0].start == NOON - 35 * DAY
    assert found.past[-1].end == NOON
    assert found.ahead[-1].end == NOON + DAY
    assert make_advice(found).week is not None


def test_a_grid_that_does_not_answer_leaves_its_part_out():
    found = gathered(Fails())
    assert (found.past, found.ahead) == ((), ())
    assert make_advice(found).lines == ()


def test_an_unknown_client_is_refused_with_the_nearest_name():
    with pytest.raises(FederationError, match="Did you mean north"):
        gathered(TypicalDay(), "norht")


def test_only_the_first_plan_of_a_round_is_judged_again_and_only_if_its_verdicts_are_known(
    tmp_path,
):
    story, blobs = Story("c0", "c1", "c2"), Blobs(tmp_path)
    story.start(spec())
    made = plan_round(spec(), situation(*some(3)), number=1, so_far=None)
    name = keep_verdicts(blobs, made.verdicts)
    for _ in range(2):
        story.plan("c0", verdicts=name)
    assert len(RecentWork.of(story.state, story.events[-2:], blobs, NOON).rounds) == 1
    blobs.remove(name)
    assert RecentWork.of(story.state, story.events[-2:], blobs, NOON).rounds == ()


def test_advice_long_after_the_last_round_is_made_from_the_work_before_it(tmp_path: Path):
    story = Story("a", "b")
    story.read("FR", 50.0)
    story.start()
    story.plan("a", "b")
    story.later(HOUR)
    story.answer("a", "one")
    story.answer("b", "two")
    story.close()
    story.tell(RunEnded(reason="stopped"), run="r")
    later = story.now + 60 * DAY
    record = RecentWork.of(story.state, [], Blobs(tmp_path), later)
    assert record.until == story.now
    found = gather(story.state, record, Grid(Fails(), FLOW_TRACED), RULE, "a")
    assert [known.gco2eq_per_kwh for known in found.past] == [50.0]
    made = make_advice(found)
    assert made.practice is not None
    assert made.practice.energy_wh == pytest.approx(2.0)
    assert made.practice.per_month == pytest.approx(30.0)
    text = " ".join(card(made).split())
    assert "the mean of 1 update in the five weeks up to 08 Jul 2026; about 30 updates" in text


def test_while_a_round_is_open_the_last_five_weeks_count(tmp_path: Path):
    story = Story("a", "b")
    story.start()
    story.plan("a", "b")
    later = story.now + HOUR
    assert RecentWork.of(story.state, [], Blobs(tmp_path), later).until == later
