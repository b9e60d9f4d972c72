"""A site joins with its kit, trains, gets a new one, and is revoked; the others notice nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from common.clock import wall_now
from common.envelope import COORDINATOR as COORDINATOR_NAME
from common.envelope import About, Signer
from common.identity import Identity
from common.kit import Kit, read_kit
from common.messages import Heartbeat
from common.settings.names import CONFIG
from scheduler.ledger.events import AssignmentGivenUp, ClientKeyAccepted, UpdateAccepted
from tasks.local.federation import COORDINATOR
from tasks.roles import site_key_file
from tests.integration.conftest import ODD_WORKLOADS
from tests.integration.fleet import CELERY, CLI, Fleet, running_fleet

WAITS = "odd_workloads:waits"


class Lyon:
    """The site that joins: its own folder, and no setting of the federation's."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.folder = fleet.local.folder
        self.home = self.folder / "lyon"
        own = {"FAIRWIND_HOME": str(self.home)}
        dropped = (CONFIG, "FAIRWIND_REDIS_URL", "FAIRWIND_COORDINATOR_KEY")
        given = {name: value for name, value in fleet.local.env.items() if name not in dropped}
        self.env = {**given, **own}

    def site(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *CLI, "site", *words], env=self.env, cwd=self.folder, text=True,
            capture_output=True, stdin=subprocess.DEVNULL, timeout=120, check=False,
        )  # fmt: skip

    def join(self, kit: str) -> None:
        before = len(self.accepted())
        done = self.site("join", kit)
        assert done.returncode == 0, done.stderr
        self.fleet.wait(lambda: len(self.accepted()) > before, "the key of lyon to be accepted")

    def accepted(self) -> list[str]:
        return [payload.key for payload in self.fleet.payloads(ClientKeyAccepted)]

    def start(self) -> None:
        before = self.fleet.state().clients["lyon"].incarnation
        command = [sys.executable, *CELERY, "worker", "-Q", "client.lyon"]
        env = {**self.env, "ODD": "1"}
        self.fleet.local.processes.start("lyon", command, env=env, cwd=self.folder)
        self.fleet.wait(
            lambda: self.fleet.state().clients["lyon"].incarnation != before, "lyon's worker"
        )
        self.fleet.wait_alive("lyon")

    def kit(self, name: str) -> Kit:
        return read_kit(self.folder / name)

    def logs_in(self, kit: Kit) -> bool:
        with redis.Redis.from_url(kit.redis.address(None)) as client:
            try:
                client.ping()
            except redis.AuthenticationError:
                return False
        return True

    def forged_by(self, key: Path) -> object:
        """Return a heartbeat of lyon that some key of it signs."""
        beat = Heartbeat(
            client="lyon", incarnation="forged", host="elsewhere", pid=1, at=wall_now()
        )
        signer = Signer("client.lyon", Identity.load(key))
        sealed = signer.seal("join", COORDINATOR_NAME, beat, about=About(), now=wall_now())
        return sealed.model_dump(mode="json")


@pytest.fixture(scope="module")
def lyon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lyon]:
    folder = tmp_path_factory.mktemp("kits") / "federation"
    folder.mkdir()
    (folder / "odd_workloads.py").write_text(ODD_WORKLOADS.read_text())
    settings = {
        "FAIRWIND_WORKLOADS": f"digits,{WAITS}",
        "FAIRWIND_STATIC_GCO2EQ_PER_KWH": '{"NO-NO1": 20, "FR": 50}',
        "FAIRWIND_PARTITION": "north,lyon",
    }  # fmt: skip
    with running_fleet(folder, {"north": "NO-NO1"}, settings=settings, redis_users=True) as fleet:
        yield Lyon(fleet)


def test_a_site_joins_trains_rotates_and_is_revoked(lyon: Lyon) -> None:
    fleet = lyon.fleet
    fairwind = fleet.local.fairwind
    done = fairwind("enroll", "lyon", "--zone", "FR", "--kit", "lyon.kit")
    assert done.returncode == 0, done.stderr
    fleet.wait(lambda: lyon.logs_in(lyon.kit("lyon.kit")), "the user of lyon in Redis")
    lyon.join("lyon.kit")
    again = lyon.site("join", "lyon.kit")
    assert again.returncode == 0, again.stderr
    assert "sent again" in again.stdout
    key_file = site_key_file(lyon.home, "lyon")
    old_key = shutil.copy(key_file, lyon.folder / "old.pem")
    assert lyon.accepted() == [Identity.load(key_file).public.text]

    lyon.start()
    fleet.start_run("first", rounds=1)
    assert fleet.wait_ended("first").closed[0].cohort == ("lyon", "north")

    # Rotated: the password ends at once, the key as the site joins.
    done = fairwind("rotate", "lyon", "--kit", "new.kit")
    assert done.returncode == 0, done.stderr
    fleet.wait(lambda: not lyon.logs_in(lyon.kit("lyon.kit")), "the old password's end")
    fleet.local.processes.kill("lyon")
    refused = lyon.site("join", "lyon.kit")
    assert refused.returncode != 0
    assert "Use the newest kit" in refused.stderr
    lyon.join("new.kit")
    assert len(set(lyon.accepted())) == 2
    fleet.put("join", "aggregation", lyon.forged_by(Path(old_key)))
    fleet.wait(lambda: "code=wrong_signature" in fleet.log(COORDINATOR), "the old key's refusal")

    # Revoked while it works: not waited for, refused, and the other site's round goes on.
    lyon.start()
    fleet.start_run("second", WAITS, rounds=1, quorum=1)
    fleet.wait_event(UpdateAccepted, "second", client="north")
    done = fairwind("revoke", "lyon")
    assert done.returncode == 0, done.stderr
    assert fleet.wait_event(AssignmentGivenUp, "second", client="lyon").code == "revoked"
    fleet.wait(lambda: not lyon.logs_in(lyon.kit("new.kit")), "the new password's end, too")
    (lyon.folder / "go").touch()
    fleet.local.processes.kill("lyon")
    assert fleet.wait_ended("second").closed[0].cohort == ("north",)
    fleet.put("join", "aggregation", lyon.forged_by(key_file))
    fleet.wait(lambda: "code=unknown_issuer" in fleet.log(COORDINATOR), "lyon's key's refusal")
    assert not fleet.state().clients["lyon"].alive
    assert "Traceback" not in fleet.log(COORDINATOR)
