"""What a site decides on each assignment, by its policy and by what it knows of itself."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from common.clock import wall_now
from common.log import get_logger
from common.messages import Assignment, Reason
from common.settings import Settings
from common.workload_names import run_name
from tasks.site.entry import Answered, Entry, Sent
from tasks.site.expected_size import expected_nbytes
from tasks.site.journal import Journal
from tasks.site.site_approvals import SiteApprovals
from tasks.site.site_clock import SiteClock
from tasks.site.site_files import SiteFiles
from tasks.site.site_history import tasks_of, totals
from tasks.site.site_policy import SiteState, declined, not_allowed
from tasks.site.site_policy_bounds import Today, over_daily_mb
from tasks.site.site_policy_in_force import SitePolicy, policy_in_force
from tasks.site.site_reading import OwnReading
from tasks.site.workload_source import source_hash

_log = get_logger(__name__)

_LOOK_BACK = timedelta(days=31)
"""How far back the size and the energy of a workload's last update are looked for."""


class Declines(Exception):  # noqa: N818 - no error: an answer that is known once data are loaded
    """The site declines, for a reason that only what was loaded has shown."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class PolicyGuard:
    """Judges assignments; reads the policy file anew for each of them."""

    def __init__(self, settings: Settings, files: SiteFiles, journal: Journal) -> None:
        """Prepare to judge; nothing is read yet.

        Args:
            settings: The site's.
            files: Say whether it is paused, and how wrong its clock is.
            journal: Says what it did.
        """
        self._settings, self._files, self._journal = settings, files, journal
        self._clock = SiteClock(files)
        self._approvals = SiteApprovals(files.folder)
        self._loaded: dict[str, str | None] = {}

    def remember_sources(self) -> None:
        """Remember the source of each workload, which is about to be loaded."""
        allowed = self._settings.workloads
        self._loaded = {run_name(name): source_hash(name, allowed) for name in allowed}

    def policy(self) -> SitePolicy:
        """Return the policy in force now, and log what is wrong with its file."""
        policy = policy_in_force(self._settings)
        if policy.fault is not None:
            _log.error("policy.not_read", reason=policy.fault)
        return policy

    def decide(
        self, policy: SitePolicy, assignment: Assignment, *, num_examples: int | None
    ) -> Reason | None:
        """Return why the site declines an assignment; `None` if it accepts it.

        Args:
            policy: In force.
            assignment: What it is to do.
            num_examples: How many it has for this workload; `None` if that is unknown.
        """
        site, now = self._state(policy, assignment, num_examples), wall_now()
        reason = declined(policy, assignment, now, site=site)
        if reason is not None and reason.code == "awaits_approval" and site.source is not None:
            workload = run_name(assignment.workload)
            self._approvals.note(workload, site.source, run=assignment.run, now=now)
        return reason

    def keeps_back(self, policy: SitePolicy, assignment: Assignment, nbytes: int) -> Reason | None:
        """Return why an update that was trained does not leave now; `None` if it does."""
        if policy.fault is not None or policy.from_file:
            reason = declined_outright(policy, assignment, self._source_state(policy, assignment))
            if reason is not None:
                return reason
        if policy.mb_per_day is None:
            return None
        now = wall_now()
        sent = _sent_since(self._journal.read(since=now), _midnight(now))
        return over_daily_mb(policy, now, Today(sent_nbytes=sent, update_nbytes=nbytes))

    def _state(
        self, policy: SitePolicy, assignment: Assignment, num_examples: int | None
    ) -> SiteState:
        now = wall_now()
        own = None
        if policy.reading is not None:
            own = OwnReading(policy.reading, max_age_s=policy.reading_max_age_s, now=now)
        source = self._source_state(policy, assignment)
        return SiteState(
            paused_since=self._files.paused_since, clock_ahead_s=self._clock.ahead_s,
            today=self._today(policy, assignment, now), num_examples=num_examples,
            source=source.source, source_changed=source.source_changed, approved=source.approved,
            own_intensity_gco2eq_per_kwh=own.gco2eq_per_kwh if own else None,
            reading_fault=own.fault if own else "",
        )  # fmt: skip

    def _source_state(self, policy: SitePolicy, assignment: Assignment) -> SiteState:
        """Return what is known of the source of a workload that this process may load."""
        name = run_name(assignment.workload)
        if not policy.names_sources or name not in self._loaded:
            return SiteState()
        source = source_hash(name, self._settings.workloads)
        return SiteState(
            source=source,
            source_changed=source != self._loaded[name],
            approved=source is not None and self._approvals.approved(name, source),
        )

    def _today(self, policy: SitePolicy, assignment: Assignment, now: datetime) -> Today:
        per_day = (policy.mb_per_day, policy.energy_wh_per_day, policy.trainings_per_day)
        if all(limit is None for limit in per_day):
            return Today()
        entries = self._journal.read(since=now - _LOOK_BACK)
        midnight = _midnight(now)
        begun = [
            task
            for task in tasks_of(entries)
            if task.started_at >= midnight
            and (task.outcome in ("trained", "failed", "unfinished") or task.energy_wh is not None)
            and task.outcome != "evaluated"
        ]
        return Today(
            sent_nbytes=_sent_since(entries, midnight),
            update_nbytes=expected_nbytes(entries, assignment),
            energy_wh=totals(entries, since=midnight).energy_wh,
            training_wh=_last_wh(entries, assignment),
            trainings=len(begun),
        )


def declined_outright(policy: SitePolicy, assignment: Assignment, site: SiteState) -> Reason | None:
    """Return why a site does nothing for a run or a workload, whenever that is."""
    if policy.fault is not None:
        return declined(policy, assignment, wall_now())
    return not_allowed(policy, assignment, site)


def _last_wh(entries: list[Entry], assignment: Assignment) -> float:
    """Return what the last training of the assigned workload used, Wh; 0 if that is unknown."""
    known = [
        entry.energy.energy_wh
        for entry in entries
        if isinstance(entry, Answered)
        and (entry.workload, entry.outcome) == (assignment.workload, "trained")
        and entry.energy is not None
    ]
    return known[-1] if known else 0.0


def _midnight(now: datetime) -> datetime:
    return datetime.combine(now.astimezone(UTC), time(), UTC)


def _sent_since(entries: list[Entry], since: datetime) -> int:
    """Return the bytes of updates sent since a time."""
    return sum(e.nbytes for e in entries if isinstance(e, Sent) and e.at >= since)
