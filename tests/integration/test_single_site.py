"""A federation of one site: it is said why nothing begins, and `--quorum 1` trains."""

from __future__ import annotations

from pathlib import Path

from tests.integration.fleet import assert_accounted_for, running_fleet


def test_a_single_site_trains_with_a_quorum_of_one(tmp_path: Path) -> None:
    with running_fleet(tmp_path / "federation", {"north": "NO-NO1"}) as fleet:
        started = fleet.local.fairwind("run", "start", "digits", "--rounds=2", "--id=two")
        assert started.returncode == 0, started.stderr
        assert "1 client is enrolled, so none begins" in started.stderr
        fleet.wait(lambda: fleet.run("two").waiting, "the run to wait")
        assert "Start a run with a smaller --quorum" in fleet.local.fairwind("status").stdout
        fleet.start_run("one", rounds=2, quorum=1)
        run = fleet.wait_ended("one")
        assert [len(closed.manifest) for closed in run.closed] == [1, 1]
        assert_accounted_for(fleet, "one")
