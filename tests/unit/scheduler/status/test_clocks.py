"""A clock that is wrong is named, with what follows and what sets it right."""

from scheduler.ledger.events import ClientClockCompared, ClientSilent
from scheduler.status.clocks import clock_sentence
from tests.unit.scheduler.status.test_view import seen
from tests.unit.scheduler.story import Story


def story(**ahead_s: float) -> Story:
    scene = Story("a", "b", "c")
    for name, each in ahead_s.items():
        scene.tell(ClientClockCompared(ahead_s=each), client=name)
    return scene


def test_clocks_that_agree_are_not_mentioned():
    assert clock_sentence(story().state) is None
    assert seen(story())["beside"] == []


def test_the_clock_that_is_wrong_is_named_with_what_follows_and_what_to_do():
    scene = story(b=-7200.0)
    sentence = clock_sentence(scene.state)
    assert sentence == (
        "The clock of b is 2 h behind. So its own hours begin at the wrong time; its work is "
        "booked by the coordinator's clock. Set it right there: timedatectl set-ntp true"
    )
    assert seen(scene)["beside"] == [sentence]
    row = seen(scene)["clients"][1]
    assert row["clock_ahead_s"] == -7200.0
    assert row["why"].endswith("; its clock is 2 h behind")


def test_several_are_named_together():
    sentence = clock_sentence(story(a=-7200.0, c=330.0).state)
    assert sentence is not None
    assert sentence.startswith(
        "The clock of a is 2 h behind and that of c is 5 min 30 s ahead. So their own hours"
    )
    assert sentence.endswith("Set it right at each: timedatectl set-ntp true")


def test_where_all_differ_alike_the_coordinators_own_is_wrong():
    sentence = clock_sentence(story(a=-7200.0, b=-7201.0, c=-7199.0).state)
    assert sentence == (
        "The clock of the coordinator is 2 h ahead, compared with those of all 3 clients, so work "
        "is booked at the wrong hours. Set the wrong one right: timedatectl set-ntp true"
    )


def test_a_clock_that_is_right_again_or_whose_worker_is_gone_is_not_mentioned():
    scene = story(b=-7200.0)
    scene.tell(ClientSilent(), client="b")
    assert clock_sentence(scene.state) is None
    scene.join("b")
    scene.tell(ClientClockCompared(ahead_s=0.0), client="b")
    assert clock_sentence(scene.state) is None
