"""A site that trains privately: debited first, no figure leaves, its own policy decides."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from common.clock import GridClock, wall_now
from common.files import file_sha256
from common.hyperparameters import Hyperparameters
from common.messages import Assignment, BlobRef, Receipt
from common.settings import Settings, load
from models.serialization import write_state
from models.version import initial_version
from models.workload import load_workload
from tasks.messaging.transport import make_transport
from tasks.site.executor import Executor
from tasks.site.odometer import Odometer

pytest.importorskip("opacus")

PRIVATE = Hyperparameters(privacy="record", batch_size=16)


class _Site:
    """One site with a policy file, and what was announced while it trained."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.policy = folder, folder / "site.toml"
        self.allow("")
        self.settings = Settings(
            home=folder / "home", transport=f"folder:{folder}/wire",
            workloads=("breast_cancer",), site_policy=self.policy,
        )  # fmt: skip
        self.wire = make_transport(self.settings)
        self.announced: list[float | None] = []
        self.restart()

    def restart(self) -> None:
        self.executor = Executor("a", "first", self.settings, self.wire)

    def allow(self, privacy: str) -> None:
        self.policy.write_text(f"[privacy]\n{privacy}\n")

    def answer(self, **changes: Any) -> Receipt:
        path, now = self.folder / "model", wall_now()
        loaded = load_workload("breast_cancer", allowed=("breast_cancer",))
        write_state(initial_version(loaded, 1), path)
        self.wire.put("model", path, file_sha256(path))
        fields: dict[str, Any] = {
            "run": "r", "round": 1, "client": "a", "attempt": 0, "workload": "breast_cancer",
            "hyperparameters": PRIVATE, "seed": 7, "clock": GridClock(), "issued_at": now,
            "model": BlobRef(key="model", sha256=file_sha256(path), nbytes=path.stat().st_size),
            "sent_at": now, "valid_until": now + timedelta(hours=1),
            "intensity_gco2eq_per_kwh": 150.0,
        }  # fmt: skip
        return self.executor.answer(
            Assignment(**(fields | changes)), lambda _e, _n, loss: self.announced.append(loss)
        )

    @property
    def debits(self) -> list[int]:
        home = self.settings.folder / "site" / "a" / "privacy"
        return [each.round for each in Odometer(home).debits()]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Site]:
    monkeypatch.setenv("FAIRWIND_PARTITION", "a,b")
    load.cache_clear()
    yield _Site(tmp_path)
    load.cache_clear()


def test_no_figure_of_the_records_leaves_with_a_private_update(site: _Site) -> None:
    receipt = site.answer(scores=True)
    assert receipt.outcome == "trained", receipt.reason
    assert (receipt.loss, receipt.utility, receipt.metrics, receipt.num_held_out) == (
        None, None, {}, 0,
    )  # fmt: skip
    assert set(site.announced) == {None}
    assert receipt.privacy is not None
    assert receipt.privacy.trainings == 1
    assert 0 < receipt.privacy.epsilon < 10


def test_an_update_sent_again_is_the_same_and_debited_once(site: _Site) -> None:
    first = site.answer()
    site.restart()
    second = site.answer(attempt=1)
    assert (first.update, site.debits) == (second.update, [1])


def test_an_update_that_left_and_was_lost_here_is_another_and_debited_again(site: _Site) -> None:
    first = site.answer()
    (site.settings.folder / "outbox" / "a" / "receipt.json").unlink()
    second = site.answer(attempt=1)
    assert first.update is not None
    assert second.update is not None
    assert (first.update.sha256 != second.update.sha256, site.debits) == (True, [1, 1])


def test_a_run_without_privacy_is_declined_where_it_is_required(site: _Site) -> None:
    site.allow('require = "record"')
    for changes in ({"hyperparameters": Hyperparameters()}, {"evaluates": True}):
        reason = site.answer(**changes).reason
        assert reason is not None
        assert reason.code == "privacy_required"
    assert site.answer().outcome == "trained"


def test_the_budget_ends_what_a_run_may_ask(site: _Site) -> None:
    first = site.answer()
    assert first.privacy is not None
    site.allow(f"epsilon = {first.privacy.epsilon + 0.01}")
    second = site.answer(round=2)
    assert second.outcome == "declined"
    assert second.reason is not None
    assert second.reason.code == "over_privacy_budget"
    assert "over its privacy budget" in second.reason.text
    assert site.debits == [1]


def test_a_budget_lowered_while_it_trains_keeps_the_update_back(site: _Site) -> None:
    site.announced = _Then(lambda: site.allow("epsilon = 0.01"))
    receipt = site.answer()
    assert (receipt.outcome, receipt.update) == ("declined", None)
    assert receipt.reason is not None
    assert receipt.reason.code == "over_privacy_budget"
    assert site.debits == [1], "it was spent: whether or not it leaves"


class _Then(list[float | None]):
    def __init__(self, do: Any) -> None:
        super().__init__()
        self._do = do

    def append(self, value: float | None) -> None:
        super().append(value)
        self._do()
