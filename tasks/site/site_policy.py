"""The site policy: when a site declines work, whatever the coordinator assigns. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from common.clock import GridClock
from common.messages import Assignment, Reason
from common.workload_names import run_name
from tasks.site.site_hours import next_opening, within
from tasks.site.site_policy_bounds import Today, over_day, over_request
from tasks.site.site_policy_file import ANY
from tasks.site.site_policy_in_force import SitePolicy

CLOCKS_AGREE_WITHIN = timedelta(minutes=5)
"""Two grid clocks that differ by no more are the same; counted on the wall clock."""

_SHOWN_HASH = len("sha256:") + 12


@dataclass(frozen=True)
class SiteState:
    """What a site knows of itself when it judges an assignment.

    Attributes:
        paused_since: When its administrator paused it; `None` if it is not paused.
        clock_ahead_s: How far its clock is ahead of Redis's, s; 0 if it is right.
        today: What it did on this day.
        num_examples: How many examples it has for this workload; `None` if that is unknown.
        source: The hash of the workload's source; `None` if it has none, or none is needed.
        source_changed: Whether that is another than the source which the worker has loaded.
        approved: Whether its administrator has approved that source.
        own_intensity_gco2eq_per_kwh: By its own reading; `None` if it has none that counts.
        reading_fault: Why its own reading is unknown.
    """

    paused_since: datetime | None = None
    clock_ahead_s: float = 0.0
    today: Today = field(default_factory=Today)
    num_examples: int | None = None
    source: str | None = None
    source_changed: bool = False
    approved: bool = False
    own_intensity_gco2eq_per_kwh: float | None = None
    reading_fault: str = ""


def declined(
    policy: SitePolicy, assignment: Assignment, now: datetime, *, site: SiteState | None = None
) -> Reason | None:
    """Return why this site declines the work; `None` if it accepts it.

    Args:
        policy: The site's, in force now.
        assignment: What it is to do.
        now: On the wall clock of the site.
        site: What the site knows of itself; nothing of note if left out.
    """
    site = site or SiteState()
    if policy.fault is not None:
        text = "its site policy cannot be read, so it declines everything; correct the file there"
        return Reason(code="policy_unreadable", text=text)
    if site.paused_since is not None:
        text = f"paused by its administrator since {site.paused_since:%Y-%m-%d %H:%M} UTC"
        return Reason(code="paused", text=text)
    reasons: tuple[Callable[[], Reason | None], ...] = (
        lambda: _on_clock(policy, assignment, now, site),
        lambda: not_allowed(policy, assignment, site),
        lambda: over_request(policy, assignment, site.num_examples),
        lambda: _not_private(policy, assignment),
        lambda: _keeps_figures(policy, assignment),
        lambda: _above_ceiling(policy, assignment, site),
        lambda: _outside_hours(policy, assignment, now),
        lambda: None if assignment.evaluates else over_day(policy, now, site.today),
    )
    return next((found for reason in reasons if (found := reason()) is not None), None)


def not_allowed(policy: SitePolicy, assignment: Assignment, site: SiteState) -> Reason | None:
    """Return why a site works neither for this run nor with this workload; `None` if it does."""
    run, workload = assignment.run, run_name(assignment.workload)
    if policy.runs is not None and not any(fnmatchcase(run, each) for each in policy.runs):
        text = f"its site policy allows no run named {run}; add it to runs there"
        return Reason(code="run_not_allowed", text=text)
    named = {run_name(name): source for name, source in (policy.workloads or {}).items()}
    if policy.workloads is not None and workload not in named:
        text = (
            f"its site policy does not list the workload {workload[:200]}; add it under "
            "[workloads] there"
        )
        return Reason(code="workload_not_allowed", text=text)
    if not policy.names_sources:
        return None
    return _of_source(policy, named.get(workload, ANY), workload[:200], site)


def _of_source(policy: SitePolicy, allowed: str, workload: str, site: SiteState) -> Reason | None:
    """Return why the source of a workload is not what its administrator has seen."""
    if site.source is None:
        text = f"the source of {workload} is not found at the site, so its hash is unknown"
        return Reason(code="workload_changed", text=text)
    if site.source_changed:
        text = (
            f"the source of {workload} was changed since its worker started; restart the worker "
            "there"
        )
        return Reason(code="workload_changed", text=text)
    shown = site.source[:_SHOWN_HASH]
    if allowed not in (ANY, site.source):
        text = (
            f"the source of {workload} at the site ({shown}) is not what its policy allows "
            f"({allowed[:_SHOWN_HASH]}); after a review, put the hash there that `fairwind site "
            "hash` prints"
        )
        return Reason(code="workload_changed", text=text)
    if policy.approve == "first" and allowed == ANY and not site.approved:
        text = (
            f"the first run of {workload} ({shown}) waits for its administrator; at the site: "
            f"fairwind site approve {workload}"
        )
        return Reason(code="awaits_approval", text=text)
    return None


def clock_for(policy: SitePolicy, assignment: Assignment) -> GridClock:
    """Return the grid clock by which a site judges an assignment: its own, unless it opted out."""
    return assignment.clock if policy.takes_assigned_clock else policy.clock


def _on_clock(
    policy: SitePolicy, assignment: Assignment, now: datetime, site: SiteState
) -> Reason | None:
    """Return that an assignment is on another clock than the site's, or comes too late."""
    # Until when the assignment is valid was said by another clock than this site's.
    there = now - timedelta(seconds=site.clock_ahead_s)
    clock = clock_for(policy, assignment)
    assigned_at, grid_at = assignment.clock.at(there), clock.at(there)
    speed = max(clock.speed, 1.0)
    if abs(assigned_at - grid_at) > CLOCKS_AGREE_WITHIN * speed:
        text = (
            f"its assignment is on a grid clock that shows {assigned_at:%Y-%m-%d %H:%M} UTC, and "
            f"the site's own shows {grid_at:%Y-%m-%d %H:%M}; only a demonstration needs another "
            "clock: FAIRWIND_SITE_CLOCK=assigned at the site takes it"
        )
        return Reason(code="other_clock", text=text)
    until = assignment.valid_until
    if grid_at > until:
        text = f"too late: valid until {until:%Y-%m-%d %H:%M} UTC on the grid clock, and it is "
        return Reason(code="too_late", text=text + _time_of(grid_at, beside=until))
    return None


def _keeps_figures(policy: SitePolicy, assignment: Assignment) -> Reason | None:
    """Return that a site would score a model for nothing: none of its figures may leave."""
    if not assignment.evaluates or policy.metrics is None or policy.metrics:
        return None
    text = "its site policy lets no metric leave; list some under [leaves] there"
    return Reason(code="metrics_stay", text=text)


def _not_private(policy: SitePolicy, assignment: Assignment) -> Reason | None:
    """Return that something would leave without the privacy that the site requires."""
    if policy.require != "record" or assignment.is_private:
        return None
    text = (
        "its site policy requires differential privacy for each record; start a run with --privacy "
        "record, which the coordinator evaluates"
    )
    return Reason(code="privacy_required", text=text)


def _above_ceiling(policy: SitePolicy, assignment: Assignment, site: SiteState) -> Reason | None:
    """Return that the grid is above the site's ceiling, by its own reading if it has one."""
    ceiling, intensity = policy.ceiling_gco2eq_per_kwh, assignment.intensity_gco2eq_per_kwh
    if policy.reading is not None:
        intensity = site.own_intensity_gco2eq_per_kwh
    if ceiling is None or (intensity is not None and intensity <= ceiling):
        return None
    shown = "unknown" if intensity is None else f"at {intensity:.0f} gCO2eq/kWh"
    why = f" ({site.reading_fault})" if policy.reading is not None and site.reading_fault else ""
    text = f"above its own ceiling of {ceiling:.0f} gCO2eq/kWh: its grid is {shown}{why}"
    return Reason(code="above_site_ceiling", text=text[:600])


def _outside_hours(policy: SitePolicy, assignment: Assignment, now: datetime) -> Reason | None:
    here = clock_for(policy, assignment).at(now)
    if not policy.hours or within(policy.hours, here):
        return None
    text = f"outside its hours {', '.join(policy.hours)} UTC; it is {here:%H:%M}"
    opens = next_opening(policy.hours, here)
    return Reason(code="outside_site_windows", text=text[:600], not_before=opens)


def _time_of(at: datetime, *, beside: datetime) -> str:
    """Return a time of day, with its date if that is another than the one beside it."""
    return f"{at:%H:%M}" if at.date() == beside.date() else f"{at:%Y-%m-%d %H:%M}"
