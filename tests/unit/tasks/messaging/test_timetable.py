"""What beat sends is due by a clock that nobody sets."""

from tasks.messaging.beat_scheduler import Timetable


class Clock:
    """Monotonic seconds, as a test wants them."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_each_task_is_due_one_period_after_it_was_sent():
    clock = Clock()
    timetable = Timetable({"tick": 5.0, "refresh": 300.0}, clock)
    assert (timetable.take_due(), timetable.left_s()) == ([], 5.0)
    clock.now_s += 5
    assert (timetable.take_due(), timetable.take_due()) == (["tick"], [])
    clock.now_s += 2
    assert timetable.left_s() == 3.0
    clock.now_s += 300
    assert sorted(timetable.take_due()) == ["refresh", "tick"]


def test_a_machine_that_slept_for_a_day_finds_one_task_of_each_due_and_not_thousands():
    clock = Clock()
    timetable = Timetable({"tick": 5.0}, clock)
    clock.now_s += 86_400
    assert (timetable.left_s(), timetable.take_due(), timetable.take_due()) == (0.0, ["tick"], [])


def test_what_is_due_every_hour_is_due_soon_after_a_start():
    clock = Clock()
    timetable = Timetable({"settle": 3600.0}, clock)
    clock.now_s += 600
    assert timetable.take_due() == ["settle"]
    clock.now_s += 3599
    assert timetable.take_due() == []
