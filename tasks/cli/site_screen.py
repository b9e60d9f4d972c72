"""What a site's administrator sees of it: tables and lines, made of what its files say."""

from __future__ import annotations

from common.command_line.screen import echo
from common.command_line.table import print_table
from common.units import show_bytes, show_duration, show_energy, show_intensity, show_mass
from tasks.site.sentence import SHORT_REASONS
from tasks.site.site_history import SiteTotals, Task
from tasks.site.site_status import SiteStatus


def print_totals(seen: SiteStatus) -> None:
    """Print what the site did today and this month."""
    spans = (seen.today, seen.month)
    rows = [
        ["energy", *map(_energy, spans)],
        ["emissions", *map(_emissions, spans)],
        ["sent", *(show_bytes(span.sent_nbytes) for span in spans)],
    ]
    rows += [
        [name, *(str(getattr(span, name)) for span in spans)]
        for name in ("trained", "evaluated", "declined", "failed")
    ]
    in_work = 1 if seen.task else 0
    rows.append(["cut short", *(str(max(0, span.unfinished - in_work)) for span in spans)])
    print_table(["", "today", f"{seen.at:%B %Y}"], rows)
    if reasons := seen.month.reasons:
        listed = ", ".join(
            f"{SHORT_REASONS.get(c, c.replace('_', ' '))} {n}" for c, n in reasons.items()
        )
        echo(f"Reasons this month: {listed}")


def print_limits(seen: SiteStatus) -> None:
    """Print what holds for its worker."""
    limits = seen.limits
    hours = f"{', '.join(limits.site_windows)} UTC" if limits.site_windows else "any"
    last = f"; last known {show_intensity(seen.intensity[0])}" if seen.intensity else ""
    ceiling = limits.site_ceiling_gco2eq_per_kwh
    longest = show_duration(limits.site_max_training_s)
    daily = limits.site_max_mb_per_day
    threads = "thread" if limits.threads == 1 else "threads"
    rows = (
        ("worker", _worker(seen)),
        ("hours", f"{hours}; next {seen.opens_at:%H:%M}" if seen.opens_at else hours),
        ("policy", _policy(seen)),
        ("ceiling", f"{'none' if ceiling is None else show_intensity(ceiling)}{last}"),
        *([("reading", _reading(seen))] if ceiling is not None else []),
        ("training", f"{longest} at most"),
        ("sending", "no limit" if daily is None else f"{daily:g} MB a day at most"),
        ("processor", f"{limits.threads} {threads}, nice {limits.nice}"),
        ("GPU", {"auto": "what CUDA offers"}.get(limits.gpu, limits.gpu)),
        ("device", limits.device),
        ("workloads", ", ".join(limits.workloads)),
    )
    for name, value in rows:
        echo(f"{name:<11}{value}")


def print_memory(seen: SiteStatus) -> None:
    """Print what the site remembers between rounds: it never leaves the site."""
    if not seen.memory:
        return
    echo()
    rows = [
        [
            each.run, ", ".join(kind.replace("_", " ") for kind in each.kinds), str(each.round),
            show_bytes(each.nbytes), f"{each.kept_until:%Y-%m-%d}",
        ]
        for each in seen.memory
    ]  # fmt: skip
    print_table(["remembers of", "what", "since round", "size", "kept until"], rows)


def _worker(seen: SiteStatus) -> str:
    if seen.worker is None:
        return "unknown; the limits below are this shell's settings"
    began = f"{seen.worker.started_at:%Y-%m-%d %H:%M} UTC"
    if seen.is_running:
        return f"since {began}, process {seen.worker.pid}"
    return f"not running; the limits below are those of the last one, which began {began}"


def _reading(seen: SiteStatus) -> str:
    if seen.ceiling_is_advisory:
        return "the coordinator's, so the ceiling is advisory; set reading in the site policy"
    return f"the site's own, {seen.policy.reading}"


def _policy(seen: SiteStatus) -> str:
    if seen.policy.fault is not None:
        return seen.policy.fault
    return seen.policy.version or "no file; the settings of the site"


def _energy(span: SiteTotals) -> str:
    unknown = f" and {span.unknown_energy} unknown" if span.unknown_energy else ""
    return f"{show_energy(span.energy_wh)}{unknown}"


def _emissions(span: SiteTotals) -> str:
    if not span.unknown_intensity_wh:
        return show_mass(span.gco2eq)
    return f"{show_mass(span.gco2eq)} and unknown of {show_energy(span.unknown_intensity_wh)}"


TASK_COLUMNS = ("began", "run", "round", "outcome", "energy", "emissions", "sent", "took", "reason")
"""Of the list of what a site did."""


def task_row(task: Task) -> list[str]:
    """Return a task's cells, in the order of the columns."""
    seconds = (task.ended_at - task.started_at).total_seconds() if task.ended_at else None
    done_nothing = task.outcome == "declined" and task.energy_wh is None
    blank = "" if done_nothing else "unknown"
    return [
        f"{task.started_at:%Y-%m-%d %H:%M}", task.run, str(task.round), task.outcome,
        blank if task.energy_wh is None else show_energy(task.energy_wh),
        blank if task.gco2eq is None else show_mass(task.gco2eq),
        show_bytes(task.sent_nbytes) if task.sent_nbytes else "",
        "" if seconds is None or done_nothing else show_duration(seconds), task.reason or "",
    ]  # fmt: skip
