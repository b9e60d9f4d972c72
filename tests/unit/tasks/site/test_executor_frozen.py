"""A site trains on the frozen part of the coordinator, and not if it freezes other parameters."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from common.clock import wall_now
from common.files import file_sha256
from common.messages import BlobRef, Receipt
from common.settings import Settings
from models.frozen import frozen_parameters, write_version
from models.version import initial_version
from models.workload import load_workload
from tasks.messaging.transport import make_transport
from tasks.site.executor import Executor
from tests.unit.tasks.site.test_executor import assignment

WORKLOAD = "tests.fakes.mostly_frozen"


class Site:
    """A site of a model that is mostly frozen, with the coordinator's bytes in its transport."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(
            home=folder / "home", transport=f"folder:{folder}/wire", workloads=(WORKLOAD,)
        )
        self.transport = make_transport(self.settings)
        workload = load_workload(WORKLOAD, allowed=(WORKLOAD,))
        path, part = write_version(
            initial_version(workload, 1), frozen_parameters(workload.model()), folder
        )
        assert part is not None
        self.model = self.transport.put("model", path, file_sha256(path))
        self.frozen = self.transport.put("frozen", *part)

    def answer(self, round_number: int, frozen: BlobRef | None, **more: Any) -> Receipt:
        work = assignment(
            round=round_number, workload=WORKLOAD, model=self.model, frozen=frozen,
            valid_until=wall_now() + timedelta(hours=1), **more,
        )  # fmt: skip
        site = Executor("a", "again", self.settings, make_transport(self.settings))
        return site.answer(work, lambda *_: None)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_the_receipt_says_what_was_pulled_of_the_frozen_part(site: Site) -> None:
    first = site.answer(1, site.frozen)
    assert (first.outcome, first.frozen_nbytes) == ("trained", site.frozen.nbytes)
    assert site.answer(1, site.frozen).frozen_nbytes == site.frozen.nbytes  # the same answer again
    site.transport.delete(site.frozen)
    second = site.answer(2, site.frozen)
    assert (second.outcome, second.frozen_nbytes) == ("trained", 0)
    assert second.update is not None
    assert second.update.nbytes < site.frozen.nbytes / 10


def test_a_frozen_part_that_is_nowhere_is_asked_for_again(site: Site) -> None:
    site.transport.delete(site.frozen)
    receipt = site.answer(1, site.frozen)
    assert receipt.reason is not None
    assert (receipt.outcome, receipt.reason.code) == ("failed", "model_missing")


def test_a_coordinator_that_freezes_nothing_is_answered_in_one_line(site: Site) -> None:
    receipt = site.answer(1, None)
    assert receipt.reason is not None
    assert receipt.outcome == "failed"
    assert receipt.reason.text == (
        "The site's model does not freeze the same parameters as the coordinator's (0.bias, "
        "0.weight), so it was not trained. Use the coordinator's workload at the site."
    )
