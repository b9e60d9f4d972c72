"""What a site does now, from its own files: neither ledger nor coordinator nor Redis is needed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time

from common.settings import Settings
from common.units import show_duration
from tasks.site.entry import Answered, Entry
from tasks.site.journal import Journal
from tasks.site.memory import Remembered, SiteMemory
from tasks.site.site_approvals import SiteApprovals
from tasks.site.site_clock import SiteClock
from tasks.site.site_files import SiteFiles, is_held
from tasks.site.site_history import SiteTotals, Task, tasks_of, totals
from tasks.site.site_hours import next_opening, within
from tasks.site.site_policy_in_force import OF_SETTINGS, SitePolicy, policy_in_force
from tasks.site.worker_state import Limits, WorkerState

INTENSITY_SOURCE = "the intensity of the site's grid that came with each assignment"
"""What a site knows of its grid: the coordinator's reading when it sent the assignment."""


@dataclass(frozen=True)
class SiteStatus:
    """What a site does now, did today (UTC) and this month, and which limits it keeps.

    Attributes:
        worker: The worker that runs, or the last that did; `None` if it could not say so.
        is_running: Whether it runs.
        task: What is in work.
        limits: The worker's, and where the site policy sets others, these.
        policy: The site policy in force now.
        opens_at: When its next window opens, on its grid clock; `None` if one is open or it has
            none.
        intensity: The last assignment's intensity, gCO2eq/kWh, and when that was answered.
        memory: What the site remembers of each run.
        waiting: The workloads whose first run waits for `fairwind site approve`.
        clock_ahead_s: How far this machine's clock is ahead of Redis's, s; 0 if it is right.
    """

    client: str
    at: datetime
    worker: WorkerState | None
    is_running: bool
    paused_since: datetime | None
    task: Task | None
    limits: Limits
    policy: SitePolicy
    opens_at: datetime | None
    intensity: tuple[float, datetime] | None
    today: SiteTotals
    month: SiteTotals
    memory: list[Remembered]
    waiting: tuple[str, ...]
    clock_ahead_s: float

    @property
    def state(self) -> str:
        """One word: training, paused, idle, or that no worker runs."""
        if not self.is_running:
            return "not running"
        if self.task is not None:
            return "training"
        return "idle" if self.paused_since is None else "paused"

    @property
    def sentence(self) -> str:
        """What the site does now, and what to do about it where something is to be done."""
        pause = self._pause()
        if not self.is_running:
            how = f"celery -A tasks worker --client {self.client}"
            return f"The worker of {self.client} is not running.{pause} Start it: {how}"
        if self.task is not None:
            since = self.task.started_at
            took = show_duration((self.at - since).total_seconds())
            what = f"{self.task.run} round {self.task.round}"
            return f"{self.client} works on {what} since {since:%H:%M} UTC ({took}).{pause}"
        if pause:
            return pause.strip()
        if self.policy.fault is not None:
            return f"{self.client} is idle. {self.policy.fault}"
        return f"{self.client} is idle: {self._awaits()}"

    @property
    def ceiling_is_advisory(self) -> bool:
        """Whether the site has a ceiling, but no reading of its own to hold it against."""
        policy = self.policy
        return policy.ceiling_gco2eq_per_kwh is not None and policy.reading is None

    def to_dict(self) -> dict[str, object]:
        """Return all of it with names as in the journal, for scripts."""
        figures = asdict(self)
        return {
            "client": self.client, "state": self.state, "sentence": self.sentence,
            **{name: figures[name] for name in ("at", "paused_since", "task", "opens_at")},
            "worker": None if self.worker is None else self.worker.model_dump(mode="json"),
            "is_running": self.is_running, "limits": self.limits.model_dump(mode="json"),
            "policy_version": self.policy.version, "policy_fault": self.policy.fault,
            "ceiling_is_advisory": self.ceiling_is_advisory,
            "intensity_gco2eq_per_kwh": self.intensity[0] if self.intensity else None,
            "intensity_source": INTENSITY_SOURCE, "clock_ahead_s": self.clock_ahead_s,
            "today": figures["today"], "month": figures["month"], "memory": figures["memory"],
            "waiting_for_approval": list(self.waiting),
        }  # fmt: skip

    def _awaits(self) -> str:
        if self.opens_at is not None:
            return f"outside its hours until {self.opens_at:%H:%M} UTC."
        if self.waiting:
            first, *others = self.waiting
            verb = f"and {len(others)} more wait" if others else "waits"
            return f"{first} {verb} for your approval. To approve: fairwind site approve {first}"
        return "it waits for an assignment."

    def _pause(self) -> str:
        if self.paused_since is None:
            return ""
        since = f"{self.paused_since:%Y-%m-%d %H:%M} UTC"
        return f" {self.client} is paused since {since}; to go on: fairwind site resume"


def site_status(settings: Settings, client: str, now: datetime) -> SiteStatus:
    """Return the status of a client's site.

    Args:
        settings: Of this process; only its home counts where a worker has said what it keeps to.
        client: Whose site.
        now: On the wall clock.
    """
    files = SiteFiles(settings, client)
    midnight = datetime.combine(now.astimezone(UTC), time(), UTC)
    month = midnight.replace(day=1)
    worker, in_work = WorkerState.last(files), is_held(files.task)
    limits = worker.limits if worker else Limits.of(settings)
    policy = policy_in_force(limits)
    limits = limits.model_copy(
        update={setting: getattr(policy, name) for name, setting in OF_SETTINGS.items()}
    )
    entries = Journal(files.folder).read(since=month)
    grid_at, windows = limits.clock.at(now), limits.site_windows
    return SiteStatus(
        client=client, at=now, worker=worker, is_running=is_held(files.worker),
        paused_since=files.paused_since,
        task=_in_work(entries) if in_work else None, limits=limits, policy=policy,
        opens_at=next_opening(windows, grid_at)
        if windows and not within(windows, grid_at) else None,
        intensity=_last_intensity(entries),
        today=totals(entries, since=midnight), month=totals(entries, since=month),
        memory=SiteMemory(files.memory).held(),
        waiting=tuple(each.workload for each in SiteApprovals(files.folder).waiting()),
        clock_ahead_s=SiteClock(files).ahead_s,
    )  # fmt: skip


def _in_work(entries: list[Entry]) -> Task | None:
    begun = [task for task in tasks_of(entries) if task.outcome == "unfinished"]
    return begun[-1] if begun else None


def _last_intensity(entries: list[Entry]) -> tuple[float, datetime] | None:
    known = [
        (entry.intensity_gco2eq_per_kwh, entry.ended_at)
        for entry in entries
        if isinstance(entry, Answered) and entry.intensity_gco2eq_per_kwh is not None
    ]
    return known[-1] if known else None
