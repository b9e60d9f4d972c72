"""The command `site privacy`: what the site's records have spent of their privacy, and on what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from common import settings as settings_
from common.command_line.output import as_json, print_json
from common.command_line.screen import Styled, echo
from common.command_line.table import print_table
from tasks.cli.site_policy import kept_to, of_client
from tasks.site.site_files import SiteFiles, find_client
from tasks.site.site_policy_in_force import SitePolicy, policy_in_force

if TYPE_CHECKING:
    from tasks.site.odometer import Debit


@click.command()
@of_client
@as_json
def privacy(client: str | None, *, as_json: bool) -> None:
    """Show what the site's records have spent of their privacy, a debit a row.

    All runs and workloads of the site count together. A debit is there before its training begins.
    """
    from tasks.site.odometer import Odometer  # noqa: PLC0415 - loads what trains

    ours = settings_.load()
    debits = Odometer(SiteFiles(ours, find_client(ours, client)).privacy).debits()
    policy = policy_in_force(kept_to(ours, client))
    if as_json:
        print_json(
            {
                "epsilon": debits[-1].epsilon if debits else 0.0,
                "delta": debits[-1].delta if debits else policy.delta,
                "budget": policy.epsilon, "requires": policy.require,
                "debits": [each.model_dump(mode="json") for each in debits],
            }
        )  # fmt: skip
        return
    echo(Styled(_sentence(policy, debits), bold=True))
    if not debits:
        return
    echo()
    print_table(
        ["when", "run", "round", "records", "noise", "sampled", "steps", "run: epsilon", "all"],
        [
            (
                f"{d.at:%Y-%m-%d %H:%M}", d.run, str(d.round), f"{d.num_examples:,}",
                f"{d.noise_multiplier:g}", f"{100 * d.sample_rate:.2g} %", f"{d.steps:,}",
                f"{d.epsilon_of_run:.2f}", f"{d.epsilon:.2f}",
            )
            for d in debits
        ],
    )  # fmt: skip
    echo()
    echo(
        "Unit: one record, added or removed. Accountant: PRV, Poisson samples of records; no "
        "amplification by the choice of clients."
    )


def _sentence(policy: SitePolicy, debits: list[Debit]) -> str:
    """Return what was spent of how much."""
    if policy.fault is not None:
        return policy.fault
    budget = "no budget is set" if policy.epsilon is None else f"the budget is {policy.epsilon:g}"
    if not debits:
        return f"No privacy was spent; {budget}."
    last = debits[-1]
    return f"Epsilon {last.epsilon:.2f} at delta {last.delta:.1e} was spent; {budget}."
