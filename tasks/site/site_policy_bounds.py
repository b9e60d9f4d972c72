"""The bounds of a site policy: what one assignment, and all of a day, may ask of the site. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from common.messages import Assignment, Reason
from common.units import show_bytes, show_energy
from tasks.site.site_policy_in_force import SitePolicy

MB = 1_000_000


@dataclass(frozen=True)
class Today:
    """What a site did on this UTC day, and what an assignment is expected to add.

    Attributes:
        sent_nbytes: What it has sent.
        update_nbytes: What an update of the assigned workload is expected to have.
        energy_wh: What its work has used, as far as that is known, Wh.
        training_wh: What a training of the assigned workload used last, Wh; 0 if unknown.
        trainings: How many it has begun.
    """

    sent_nbytes: int = 0
    update_nbytes: int = 0
    energy_wh: float = 0.0
    training_wh: float = 0.0
    trainings: int = 0


def over_request(
    policy: SitePolicy, assignment: Assignment, num_examples: int | None
) -> Reason | None:
    """Return which bound on one training an assignment exceeds; `None` if it exceeds none.

    Args:
        policy: In force.
        assignment: What is asked.
        num_examples: How many the site has; `None` if that is not known yet, and then whatever
            follows from it is not judged.
    """
    pulled = [assignment.model, assignment.frozen, assignment.correction]
    nbytes = sum(ref.nbytes for ref in pulled if ref is not None)
    if policy.model_mb is not None and nbytes > policy.model_mb * MB:
        return _over("model_mb", f"a model of {show_bytes(nbytes)}", f"{policy.model_mb:g} MB")
    if assignment.evaluates:
        return None
    asked = assignment.hyperparameters
    steps = asked.steps
    if steps is None and num_examples:
        steps = asked.expected_steps(num_examples)
    drawn = asked.examples_trained(num_examples) if num_examples else None
    wanted = (
        ("epochs", asked.epochs, policy.epochs, "{:,} epochs"),
        ("steps", steps, policy.steps, "{:,} steps"),
        ("examples", drawn, policy.examples, "training on {:,} examples"),
    )
    for key, amount, most, shown in wanted:
        if amount is not None and most is not None and amount > most:
            return _over(key, shown.format(amount), f"{most:,}")
    return None


def _over(key: str, what: str, most: str) -> Reason:
    text = (
        f"asks for {what}, and its site allows {most} at most; start a run that asks for less, or "
        f"raise {key} under [limits] in the site policy there"
    )
    return Reason(code="over_limits", text=text)


def over_day(policy: SitePolicy, now: datetime, today: Today) -> Reason | None:
    """Return which limit of a day one more training would exceed; `None` if it exceeds none."""
    most = policy.trainings_per_day
    if most is not None and today.trainings >= most:
        text = f"over its limit of {most} trainings a day: {today.trainings} were begun today"
        return _until_tomorrow(policy, now, "over_daily_trainings", text)
    most_wh = policy.energy_wh_per_day
    if most_wh is not None and today.energy_wh + today.training_wh > most_wh:
        text = (
            f"over its limit of {most_wh:g} Wh a day: {show_energy(today.energy_wh)} were used "
            f"today, and a training needs about {show_energy(today.training_wh)}"
        )
        return _until_tomorrow(policy, now, "over_daily_energy", text)
    return over_daily_mb(policy, now, today)


def over_daily_mb(policy: SitePolicy, now: datetime, today: Today) -> Reason | None:
    """Return why an update may not be sent today; `None` if it may."""
    limit = policy.mb_per_day
    if limit is None or today.sent_nbytes + today.update_nbytes <= limit * MB:
        return None
    text = (
        f"over its limit of {limit:g} MB a day: {show_bytes(today.sent_nbytes)} were sent today, "
        f"and the update has about {show_bytes(today.update_nbytes)}"
    )
    return _until_tomorrow(policy, now, "over_daily_mb", text)


def _until_tomorrow(policy: SitePolicy, now: datetime, code: str, text: str) -> Reason:
    tomorrow = datetime.combine(now.astimezone(UTC) + timedelta(days=1), time(), UTC)
    return Reason(code=code, text=text, not_before=policy.clock.at(tomorrow))
