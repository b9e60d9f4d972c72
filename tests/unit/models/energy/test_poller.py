import threading

import pytest

from models.energy.poller import Poller

GONE = ("gone",)


def test_a_meter_is_looked_at_until_the_poller_stops():
    looked = threading.Semaphore(0)
    poller = Poller(looked.release, period_s=0.001)
    poller.start()
    assert all(looked.acquire(timeout=5) for _ in range(3))
    poller.stop()
    assert not any(thread.name == "energy-poller" for thread in threading.enumerate())


def test_what_the_meter_raises_is_raised_where_the_measurement_ends():
    asked = threading.Event()

    def fail() -> None:
        asked.set()
        raise OSError(*GONE)

    poller = Poller(fail, period_s=0.001)
    poller.start()
    assert asked.wait(5)
    with pytest.raises(OSError, match="gone"):
        poller.stop()
    poller.stop()


def test_a_poller_that_was_never_started_can_be_stopped():
    Poller(lambda: None, period_s=1.0).stop()
