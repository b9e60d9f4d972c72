"""Preflight checks of a site's own rules: its policy file, and what its ceiling is held against."""

from __future__ import annotations

from collections.abc import Iterator

from common.settings import Settings
from tasks.cli.finding import Finding
from tasks.site.site_policy_in_force import policy_in_force


def check_site_policy(ours: Settings) -> Iterator[Finding]:
    """Yield what is wrong with a site policy, and what it leaves to the coordinator."""
    policy = policy_in_force(ours)
    if policy.fault is not None:
        yield Finding("error", policy.fault)
        return
    if policy.version is not None:
        yield Finding("ok", f"The site policy {ours.site_policy} can be read ({policy.version}).")
    if policy.takes_assigned_clock:
        yield Finding(
            "warning",
            "FAIRWIND_SITE_CLOCK is assigned, so a coordinator can send any hour and the site "
            "takes it. Unset it, unless this is a demonstration.",
        )
    if policy.ceiling_gco2eq_per_kwh is not None and policy.reading is None:
        yield Finding(
            "ok",
            "The site's ceiling is advisory: it is held against the intensity that the coordinator "
            "sends. To judge by a reading of the site's own, set reading in its policy.",
        )
