"""What one process learns of the grids, all others read through Redis; one at a time asks."""

from datetime import UTC, datetime, timedelta

import pytest

from common.errors import SignalError
from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.reading import Reading
from scheduler.carbon.zone_history import ZoneHistory
from tasks.coordinator.zone_histories import ZoneHistories

NOON = datetime(2026, 7, 8, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def known(zone: str, *values: float) -> ZoneHistory:
    hours = [
        Reading(zone, NOON + n * HOUR, NOON + (n + 1) * HOUR, v, "first", FLOW_TRACED, "estimated")
        for n, v in enumerate(values)
    ]
    return ZoneHistory(zone).learn_now("first", hours, ["first"], NOON)


def test_one_process_learns_and_the_others_know(redis_client):
    here, there = ZoneHistories(redis_client), ZoneHistories(redis_client)
    assert there.zone("FR") == ZoneHistory("FR")
    here.save({"FR": known("FR", 50.0, 60.0)})
    assert there.renew()
    assert there.zone("FR") == known("FR", 50.0, 60.0)
    assert there.zones() == ("FR",)
    assert not there.renew()


def test_a_reader_that_lacks_an_hour_looks_again_by_itself(redis_client):
    here, there = ZoneHistories(redis_client), ZoneHistories(redis_client)
    here.save({"FR": known("FR", 50.0)})
    assert len(there.readings("FR", NOON, NOON + HOUR)) == 1
    here.save({"FR": known("FR", 50.0, 60.0)})
    assert len(there.readings("FR", NOON, NOON + 2 * HOUR)) == 2


def test_what_nobody_knows_is_an_error_that_says_why(redis_client):
    almanacs = ZoneHistories(redis_client)
    with pytest.raises(SignalError, match="No source has been asked yet"):
        almanacs.readings("FR", NOON, NOON + HOUR)
    almanacs.save({"FR": ZoneHistory("FR").missed("first", "it sleeps")})
    almanacs.renew()
    with pytest.raises(SignalError, match="first: it sleeps"):
        almanacs.readings("FR", NOON, NOON + HOUR)


def test_a_flush_is_noticed(redis_client):
    almanacs = ZoneHistories(redis_client)
    almanacs.save({"FR": known("FR", 50.0)})
    almanacs.renew()
    assert almanacs.zone("FR").readings
    redis_client.flushall()
    assert almanacs.renew()
    assert not almanacs.zone("FR").readings


def test_a_zone_is_refreshed_by_one_process_at_a_time(redis_client):
    here, there = ZoneHistories(redis_client), ZoneHistories(redis_client)
    with here.flight(["DE", "FR"]) as mine:
        assert mine == ["DE", "FR"]
        with there.flight(["FR", "PL"]) as theirs:
            assert theirs == ["PL"]
    with there.flight(["FR"]) as theirs:
        assert theirs == ["FR"]


def test_a_flight_that_another_has_taken_over_is_not_ended_by_the_first(redis_client):
    here, there = ZoneHistories(redis_client), ZoneHistories(redis_client)
    with here.flight(["FR"]):
        redis_client.delete("fairwind:carbon:flight:FR")  # as if its time was over
        with there.flight(["FR"]) as theirs:
            assert theirs == ["FR"]
        redis_client.set("fairwind:carbon:flight:FR", "there")
    assert redis_client.get("fairwind:carbon:flight:FR") == b"there"


def test_a_refresh_is_wanted_once_in_a_while(redis_client):
    almanacs = ZoneHistories(redis_client)
    assert almanacs.want(every_s=60)
    assert not almanacs.want(every_s=60)


def test_news_are_told_once_even_if_a_reader_noticed_them_before(redis_client):
    here, there = ZoneHistories(redis_client), ZoneHistories(redis_client)
    there.take_news()
    here.save({"FR": known("FR", 50.0)})
    assert there.readings("FR", NOON, NOON + HOUR)
    assert there.take_news()
    assert not there.take_news()
