"""The privacy budget of a site: what it allows its records to spend, and what it debits.

The budget is the site policy's. It counts all runs and workloads of the site together, as their
records may be the same.
"""

from __future__ import annotations

from common.clock import wall_now
from common.errors import SettingError, encodable
from common.messages import Assignment, PrivacySpent, Reason
from models.privacy.accountant import epsilon_of, opacus_is_missing
from models.privacy.spending import spending_of, usual_delta
from tasks.site.odometer import Debit, Odometer, work_name
from tasks.site.site_policy_in_force import SitePolicy


class PrivacyBudget:
    """Judges and debits the private trainings of one client."""

    def __init__(self, odometer: Odometer) -> None:
        self._odometer = odometer

    def declines(
        self, policy: SitePolicy, assignment: Assignment, num_examples: int | None
    ) -> Reason | None:
        """Return why a training is declined for its privacy; `None` if it is not.

        Args:
            policy: In force.
            assignment: What is asked.
            num_examples: How many records the site has; `None` if that is not known yet, and then
                the budget is judged once they are loaded.
        """
        if not assignment.is_private:
            return None
        fault = opacus_is_missing()
        if fault is not None:
            return Reason(code="no_privacy", text=encodable(f"{fault}, at the site")[:600])
        try:
            if num_examples is None or self._sealed(assignment, num_examples) is not None:
                return self.overspent(policy)
            return _over(policy, self._next(policy, assignment, num_examples))
        except SettingError as error:
            return Reason(code="privacy_unknown", text=encodable(str(error))[:600])

    def debit(
        self, policy: SitePolicy, assignment: Assignment, num_examples: int
    ) -> Reason | bytes:
        """Debit a training, and return its secret; or why the site declines it.

        The same work is debited once for as long as nothing of it has left.

        Raises:
            OSError: If the debit cannot be put on disk: then nothing may be trained.
        """
        with self._odometer.locked():
            reason = self.declines(policy, assignment, num_examples)
            if reason is not None:
                return reason
            sealed = self._sealed(assignment, num_examples)
            if sealed is not None:
                return sealed
            return self._odometer.debit(assignment, self._next(policy, assignment, num_examples))

    def overspent(self, policy: SitePolicy) -> Reason | None:
        """Return that more was spent than a policy allows by now; `None` if it was not.

        The policy may be another than the one by which the training began.
        """
        debits = self._odometer.debits()
        return _over(policy, debits[-1]) if debits and policy.epsilon is not None else None

    def keeps_back(self, policy: SitePolicy, assignment: Assignment) -> Reason | None:
        """Return why a private update does not leave; `None` if it does.

        Args:
            policy: In force now: it may have changed while the site trained.
            assignment: Whose update.
        """
        return self.overspent(policy) if assignment.is_private else None

    def release(self, assignment: Assignment) -> None:
        """Forget the secret of an update that is about to leave.

        Raises:
            OSError: If that is not possible: then it must not leave.
        """
        if assignment.is_private:
            self._odometer.release(assignment)

    def spent(self, assignment: Assignment) -> PrivacySpent | None:
        """Return what an assignment's run has spent here by now; `None` if nothing."""
        of_run = [d for d in self._odometer.debits() if d.run == assignment.run]
        if not of_run:
            return None
        return PrivacySpent(
            epsilon=of_run[-1].epsilon_of_run, delta=of_run[-1].delta, trainings=len(of_run)
        )

    def _sealed(self, assignment: Assignment, num_examples: int) -> bytes | None:
        """Return the secret of a training that was debited for so many records and never left."""
        name = work_name(assignment)
        paid = [d for d in self._odometer.debits() if d.work == name]
        if not paid or paid[-1].num_examples != num_examples:
            return None
        return self._odometer.secret(assignment)

    def _next(self, policy: SitePolicy, assignment: Assignment, num_examples: int) -> Debit:
        """Return the debit that a training would be."""
        before = self._odometer.debits()
        cost = spending_of(assignment.hyperparameters, num_examples)
        # All that is summed has one delta: that of the most records, where the policy sets none.
        most = max([num_examples, *(each.num_examples for each in before)])
        delta = policy.delta or usual_delta(most)
        of_run = [each.spending for each in before if each.run == assignment.run]
        return Debit(
            at=wall_now(), run=assignment.run, round=assignment.round,
            workload=assignment.workload, work=work_name(assignment), num_examples=num_examples,
            noise_multiplier=cost.noise_multiplier, sample_rate=cost.sample_rate,
            steps=cost.steps, delta=delta, epsilon_of_run=epsilon_of([*of_run, cost], delta),
            epsilon=epsilon_of([*(each.spending for each in before), cost], delta),
        )  # fmt: skip


def _over(policy: SitePolicy, debit: Debit) -> Reason | None:
    if policy.epsilon is None or debit.epsilon <= policy.epsilon:
        return None
    text = (
        f"over its privacy budget: epsilon would be {debit.epsilon:.2f} at delta "
        f"{debit.delta:.1e}, and its site policy allows {policy.epsilon:g} for all runs together; "
        "start a run with more noise (--noise-multiplier) or fewer rounds, or raise epsilon under "
        "[privacy] there"
    )
    return Reason(code="over_privacy_budget", text=text)
