"""The odometer: whatever is killed when and sent how often, it never counts too little."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.clock import GridClock
from common.errors import SettingError
from common.hyperparameters import Hyperparameters
from common.messages import Assignment, BlobRef, Reason
from tasks.site.odometer import Odometer, work_name
from tasks.site.privacy_budget import PrivacyBudget
from tasks.site.site_policy_in_force import SitePolicy

pytest.importorskip("opacus")

N = 1000
PRIVATE = Hyperparameters(privacy="record", steps=2, batch_size=10)


def _asked(round_: int = 1, attempt: int = 0) -> Assignment:
    noon = datetime(2026, 7, 8, 12, tzinfo=UTC)
    return Assignment(
        run="r", round=round_, client="a", attempt=attempt, workload="digits",
        hyperparameters=PRIVATE, seed=7, clock=GridClock(), issued_at=noon, sent_at=noon,
        model=BlobRef(key="model", sha256="0" * 64, nbytes=5),
        valid_until=noon + timedelta(days=1), intensity_gco2eq_per_kwh=150.0,
    )  # fmt: skip


class _KilledError(Exception):
    pass


class _Site:
    """What a site does of privacy, killed at any failpoint; its disk stays."""

    def __init__(self, folder: Path, kill_at: str, monkey: pytest.MonkeyPatch) -> None:
        self.odometer = Odometer(folder)
        self.budget = PrivacyBudget(self.odometer)
        self.kill_at = kill_at
        monkey.setattr("tasks.site.odometer.failpoint", self._passes)

    def _passes(self, name: str) -> None:
        if name == self.kill_at:
            raise _KilledError

    def answer(self, asked: Assignment, *, outbox: dict[str, bytes]) -> bytes:
        """Return what leaves: the release of a secret, kept in the outbox before it leaves."""
        name = work_name(asked)
        if name not in outbox:
            secret = self.budget.debit(SitePolicy(), asked, N)
            assert isinstance(secret, bytes)
            self._passes("training")
            outbox[name] = secret
        self.budget.release(asked)
        return outbox[name]


_KILLS = ("none", "privacy.debited", "privacy.sealed", "training", "privacy.released")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from(_KILLS), st.booleans()),
        min_size=1,
        max_size=12,
    )
)
def test_each_release_that_left_was_debited(tries: list[tuple[int, str, bool]]) -> None:
    """Rounds are sent again in any order, killed anywhere, and the outbox may be lost."""
    outbox: dict[str, bytes] = {}
    left: dict[int, set[bytes]] = {1: set(), 2: set(), 3: set()}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkey:
        for attempt, (round_, kill_at, outbox_lost) in enumerate(tries):
            if outbox_lost:
                outbox.clear()
            site = _Site(Path(folder), kill_at, monkey)
            try:
                left[round_].add(site.answer(_asked(round_, attempt), outbox=outbox))
            except _KilledError:
                continue
        debited = Counter(each.round for each in Odometer(Path(folder)).debits())
    for round_, releases in left.items():
        assert debited[round_] >= len(releases)


def test_the_same_work_issued_again_is_debited_once_until_it_leaves(tmp_path: Path) -> None:
    budget = PrivacyBudget(Odometer(tmp_path))
    first = budget.debit(SitePolicy(), _asked(), N)
    assert budget.debit(SitePolicy(), _asked(attempt=3), N) == first
    assert len(Odometer(tmp_path).debits()) == 1
    budget.release(_asked())
    assert budget.debit(SitePolicy(), _asked(attempt=4), N) != first
    assert len(Odometer(tmp_path).debits()) == 2


def test_another_number_of_records_is_debited_again(tmp_path: Path) -> None:
    """Fewer records are sampled more often: the debit of more would be too small."""
    budget = PrivacyBudget(Odometer(tmp_path))
    first = budget.debit(SitePolicy(), _asked(), N)
    assert budget.debit(SitePolicy(), _asked(), N // 2) != first
    assert [each.num_examples for each in Odometer(tmp_path).debits()] == [N, N // 2]


def test_a_training_beyond_the_budget_is_declined_and_not_debited(tmp_path: Path) -> None:
    budget = PrivacyBudget(Odometer(tmp_path))
    budget.debit(SitePolicy(), _asked(), N)
    (paid,) = Odometer(tmp_path).debits()
    policy = SitePolicy(epsilon=paid.epsilon + 1e-6, delta=paid.delta)
    reason = budget.debit(policy, _asked(2), N)
    assert isinstance(reason, Reason)
    assert reason.code == "over_privacy_budget"
    assert len(Odometer(tmp_path).debits()) == 1


def test_a_budget_lowered_while_training_keeps_the_update_back(tmp_path: Path) -> None:
    budget = PrivacyBudget(Odometer(tmp_path))
    budget.debit(SitePolicy(epsilon=8), _asked(), N)
    assert budget.keeps_back(SitePolicy(epsilon=8), _asked()) is None
    reason = budget.keeps_back(SitePolicy(epsilon=0.001), _asked())
    assert reason is not None
    assert reason.code == "over_privacy_budget"


def test_a_line_that_was_cut_off_is_no_debit_and_does_not_spoil_the_next(tmp_path: Path) -> None:
    odometer = Odometer(tmp_path)
    budget = PrivacyBudget(odometer)
    budget.debit(SitePolicy(), _asked(), N)
    with odometer.path.open("ab") as file:
        file.write(b'{"at": "2026')
    budget.debit(SitePolicy(), _asked(2), N)
    assert [each.round for each in odometer.debits()] == [1, 2]


def test_a_line_that_was_altered_declines_everything(tmp_path: Path) -> None:
    odometer = Odometer(tmp_path)
    budget = PrivacyBudget(odometer)
    budget.debit(SitePolicy(), _asked(), N)
    odometer.path.write_bytes(b"{}\n" + odometer.path.read_bytes())
    with pytest.raises(SettingError, match="Line 1"):
        odometer.debits()
    reason = budget.debit(SitePolicy(), _asked(2), N)
    assert isinstance(reason, Reason)
    assert reason.code == "privacy_unknown"


def test_all_runs_are_counted_together(tmp_path: Path) -> None:
    budget = PrivacyBudget(Odometer(tmp_path))
    budget.debit(SitePolicy(), _asked(), N)
    budget.debit(SitePolicy(), _asked().model_copy(update={"run": "other"}), N)
    first, second = Odometer(tmp_path).debits()
    assert second.epsilon_of_run == first.epsilon_of_run == first.epsilon < second.epsilon


def test_secrets_are_for_the_owner_alone_and_gone_once_released(tmp_path: Path) -> None:
    budget = PrivacyBudget(Odometer(tmp_path))
    budget.debit(SitePolicy(), _asked(), N)
    (secret,) = tmp_path.glob("*.secret")
    assert secret.stat().st_mode & 0o077 == 0
    assert json.loads(Odometer(tmp_path).path.read_text())["round"] == 1
    budget.release(_asked())
    assert not list(tmp_path.glob("*.secret"))
