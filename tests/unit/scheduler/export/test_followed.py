"""What is exported as points: each figure of each version once, as it becomes known."""

import pytest

from scheduler.export.followed import Followed
from tests.unit.scheduler.export.exported import followed, played


def curve(found: Followed, name: str) -> dict[int, float]:
    return {point.step: point.value for point in found.points if point.name == name}


def test_points_stand_at_the_version_that_they_are_of():
    found = followed(played())
    assert curve(found, "accuracy") == {1: 0.1, 2: 0.2}
    assert curve(found, "sites/accuracy") == {0: 0.5, 1: 0.5, 2: 0.5}
    assert curve(found, "site/lyon/accuracy") == {0: 0.5, 1: 0.5, 2: 0.5}
    assert curve(found, "site/oslo/accuracy") == {}  # unknown makes no point
    assert curve(found, "emissions/gco2eq") == pytest.approx({1: 0.4, 2: 0.4})
    assert curve(found, "emissions/cumulative_gco2eq") == pytest.approx({1: 0.4, 2: 0.8})
    assert curve(found, "site/lyon/emissions/energy_wh") == {1: 2.0, 2: 2.0}
    assert found.ended


def test_where_sites_alone_evaluate_their_mean_is_the_score():
    world = played()
    world.learning._scored_here = False
    world.start("sites", evaluate="sites", rounds=1)
    world.play()
    found = Followed()
    found.see([e for e in world.history.events if e.run == "sites"], world.run("sites"))
    assert curve(found, "accuracy") == {0: 0.5, 1: 0.5}
    assert curve(found, "sites/accuracy") == {}


def test_event_by_event_gives_what_all_at_once_gives():
    world = played()
    piecemeal = Followed()
    for event in world.history.events:
        if event.run == "r":
            piecemeal.see([event], world.run())
    assert piecemeal.points == followed(world).points
    assert len({(point.name, point.step) for point in piecemeal.points}) == len(piecemeal.points)
