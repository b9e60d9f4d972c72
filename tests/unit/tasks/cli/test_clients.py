"""`fairwind clients` says what is wrong with the federation above its table."""

import pytest
from click.testing import CliRunner

from common import settings
from common.clock import GridClock
from scheduler.federation.opening import open_ledger
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientEnrolled, RunStarted
from scheduler.ledger.run_spec import RunSpec
from tasks.cli import fairwind


@pytest.mark.parametrize("verb", ["clients", "status"])
def test_redis_that_does_not_answer_is_named_once(verb, tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))
    monkeypatch.setenv("FAIRWIND_REDIS_URL", "redis://127.0.0.1:1/0")
    settings.load.cache_clear()
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite", GridClock())
    with ledger.transaction() as tx:
        tx.append(
            Draft(ClientEnrolled(zone="FR"), client="lyon"),
            Draft(
                RunStarted(spec=RunSpec(id="digits-1", workload="digits", rounds=2)), run="digits-1"
            ),
        )

    done = CliRunner().invoke(fairwind, [verb])

    assert done.exit_code == 0
    assert done.output.count("Redis at 127.0.0.1:1 does not answer") == 1
