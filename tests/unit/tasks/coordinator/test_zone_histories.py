"""What one process learns of the grids, all others read from disk; one at a time asks."""

import shutil
from datetime import UTC, datetime, timedelta

import pytest
import structlog

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


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "carbon"


def test_one_process_learns_and_the_others_know(folder):
    here, there = ZoneHistories(folder), ZoneHistories(folder)
    assert there.zone("FR") == ZoneHistory("FR")
    here.save({"FR": known("FR", 50.0, 60.0)})
    assert there.renew()
    assert there.zone("FR") == known("FR", 50.0, 60.0)
    assert there.zones() == ("FR",)
    assert not there.renew()


def test_a_reader_that_lacks_an_hour_looks_again_by_itself(folder):
    here, there = ZoneHistories(folder), ZoneHistories(folder)
    here.save({"FR": known("FR", 50.0)})
    assert len(there.readings("FR", NOON, NOON + HOUR)) == 1
    here.save({"FR": known("FR", 50.0, 60.0)})
    assert len(there.readings("FR", NOON, NOON + 2 * HOUR)) == 2


def test_what_nobody_knows_is_an_error_that_says_why(folder):
    histories = ZoneHistories(folder)
    with pytest.raises(SignalError, match="No source has been asked yet"):
        histories.readings("FR", NOON, NOON + HOUR)
    histories.save({"FR": ZoneHistory("FR").missed("first", "it sleeps")})
    histories.renew()
    with pytest.raises(SignalError, match="first: it sleeps"):
        histories.readings("FR", NOON, NOON + HOUR)


def test_a_folder_that_was_removed_is_noticed(folder):
    histories = ZoneHistories(folder)
    histories.save({"FR": known("FR", 50.0)})
    histories.renew()
    assert histories.zone("FR").readings
    shutil.rmtree(folder)
    assert histories.renew()
    assert not histories.zone("FR").readings


NO_NUMBER = (
    '{"zone":"FR","labels":[["a","average, lifecycle, consumption","measured",""]],'
    '"rows":[[0,1,0,NaN,null,null,null,null,null]],'
    '"response_at":{},"current_until":{},"faults":{},"past_at":{},"future_at":{}}'
)


@pytest.mark.parametrize(
    "kept", [b"", b"{", b"[]", b"null", b'{"zone": "FR"}', b"\x00\xff", NO_NUMBER.encode()]
)
def test_what_cannot_be_read_is_unknown(folder, kept):
    histories = ZoneHistories(folder)
    histories.save({"FR": known("FR", 50.0)})
    (file,) = folder.glob("*.zone.json")
    file.write_bytes(kept)
    with structlog.testing.capture_logs() as lines:
        assert histories.zone("FR") == ZoneHistory("FR")
    assert [line["event"] for line in lines] == ["zone_history.unreadable"]


def test_a_zone_names_no_file_outside_and_other_users_read_none(folder):
    names = ("../../FR", "a/b", ".", "FR")
    here = ZoneHistories(folder)
    here.save({zone: known(zone, 50.0) for zone in names})
    with here.flight(names):
        files = list(folder.iterdir())
    assert here.zones() == tuple(sorted(names))
    assert len(files) == 2 * len(names) + 1
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in folder.parent.iterdir()] == ["carbon"]


def test_a_zone_is_refreshed_by_one_process_at_a_time(folder):
    here, there = ZoneHistories(folder), ZoneHistories(folder)
    with here.flight(["DE", "FR"]) as mine:
        assert mine == ["DE", "FR"]
        with there.flight(["FR", "PL"]) as theirs:
            assert theirs == ["PL"]
    with there.flight(["FR"]) as theirs:
        assert theirs == ["FR"]


def test_a_refresh_is_wanted_once_in_a_while(folder):
    histories = ZoneHistories(folder)
    assert histories.want(every_s=60)
    assert not histories.want(every_s=60)


def test_news_are_told_once_even_if_a_reader_noticed_them_before(folder):
    here, there = ZoneHistories(folder), ZoneHistories(folder)
    there.take_news()
    here.save({"FR": known("FR", 50.0)})
    assert there.readings("FR", NOON, NOON + HOUR)
    assert there.take_news()
    assert not there.take_news()
