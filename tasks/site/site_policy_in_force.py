"""The site policy in force: its file where that says something, and the site's settings elsewhere.

The file wins over every setting, and both over whatever a coordinator sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from common.clock import GridClock
from common.errors import SettingError
from common.settings import Settings
from common.settings.site import LONGEST_TRAINING_S
from tasks.site.site_policy_file import PolicyFile, read_policy
from tasks.site.worker_state import Limits

OF_SETTINGS = {
    "hours": "site_windows",
    "ceiling_gco2eq_per_kwh": "site_ceiling_gco2eq_per_kwh",
    "training_s": "site_max_training_s",
    "mb_per_day": "site_max_mb_per_day",
}
"""What the file calls a limit, and the setting that holds where the file leaves it out."""


@dataclass(frozen=True)
class SitePolicy:
    """What a site allows. `None` is no limit.

    Attributes:
        clock: The site's own grid clock.
        takes_assigned_clock: Whether the grid clock that an assignment brings counts instead.
        runs: Patterns of the names of runs that it works for.
        workloads: The hash of each workload that it trains, or ``any``.
        approve: ``first``: a workload that is new, or whose source is, waits for approval.
        hours: Windows of UTC time.
        reading: A file with the intensity of its grid, which decides in the coordinator's place.
        reading_max_age_s: An older reading counts as unknown, s.
        training_s: The longest training, wall seconds.
        epochs, steps, examples: The most that one training may take; examples count each time that
            they are drawn.
        memory_mb: What a training may allocate beyond what the worker uses while it waits, MB.
        model_mb: The largest model that is pulled, MB.
        mb_per_day, energy_wh_per_day, trainings_per_day: In a UTC day.
        metrics: The names of the figures that may leave; "loss" and "utility" are among them.
        require: ``record``: nothing is trained without differential privacy for each record.
        epsilon: What all runs together may spend of the privacy of its records.
        delta: At which that is counted; `None` for a tenth of one over the records.
        counts: ``bucketed``: numbers of examples leave rounded down to a power of two.
        from_file: The keys that its file sets.
        version: The beginning of the file's SHA-256; `None` without a file.
        fault: Why the file cannot be read: then everything is declined.
    """

    clock: GridClock = GridClock()  # noqa: RUF009 - frozen
    takes_assigned_clock: bool = False
    runs: tuple[str, ...] | None = None
    workloads: Mapping[str, str] | None = None
    approve: Literal["first", "never"] = "never"
    hours: tuple[str, ...] = ()
    ceiling_gco2eq_per_kwh: float | None = None
    reading: Path | None = None
    reading_max_age_s: float = 3600.0
    training_s: float = LONGEST_TRAINING_S
    epochs: int | None = None
    steps: int | None = None
    examples: int | None = None
    memory_mb: float | None = None
    model_mb: float | None = None
    mb_per_day: float | None = None
    energy_wh_per_day: float | None = None
    trainings_per_day: int | None = None
    metrics: tuple[str, ...] | None = None
    counts: Literal["exact", "bucketed"] = "exact"
    require: Literal["record"] | None = None
    epsilon: float | None = None
    delta: float | None = None
    from_file: frozenset[str] = field(default_factory=frozenset)
    version: str | None = None
    fault: str | None = None

    @property
    def names_sources(self) -> bool:
        """Whether it matters what the source of a workload is."""
        hashes = (self.workloads or {}).values()
        return self.approve == "first" or any(each.startswith("sha256:") for each in hashes)


def policy_in_force(settings: Settings | Limits) -> SitePolicy:
    """Return the policy as of now: its file is read each time. Whatever is wrong with it is said.

    Args:
        settings: Those of the site's worker; a command has them as the worker wrote them down.
    """
    known: dict[str, object] = {
        "clock": settings.clock, "takes_assigned_clock": settings.site_clock == "assigned",
        **{name: getattr(settings, of) for name, of in OF_SETTINGS.items()},
    }  # fmt: skip
    if settings.site_policy is None:
        return SitePolicy(**known)  # type: ignore[arg-type] # as both declare them
    try:
        file, version = read_policy(settings.site_policy.expanduser())
    except SettingError as error:
        return SitePolicy(**known, fault=str(error))  # type: ignore[arg-type] # (the same)
    said = _said(file)
    return SitePolicy(**known | said, from_file=frozenset(said), version=version)  # type: ignore[arg-type] # (the same)


def _said(file: PolicyFile) -> dict[str, object]:
    """Return what a file says, by the names of `SitePolicy`."""
    tables = {"limits", "leaves", "privacy"}
    flat = {
        **{name: getattr(file, name) for name in PolicyFile.model_fields if name not in tables},
        **dict(file.limits),
        **dict(file.leaves),
        **dict(file.privacy),
    }
    said = {name: value for name, value in flat.items() if value is not None}
    if "reading" in said:
        said["reading"] = Path(str(said["reading"]))
    return {name: tuple(v) if isinstance(v, list) else v for name, v in said.items()}
