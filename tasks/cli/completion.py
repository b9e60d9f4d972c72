"""What the shell completes: names of runs, clients and metrics in the ledger, and of policies.

Names are read from a few kinds of events, as folding a long ledger takes longer than a user waits.
Where no ledger can be read, nothing is completed: a shell has no place for an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from common.errors import FairwindError

if TYPE_CHECKING:
    from scheduler.ledger.event import Event

_MOST = 10_000
"""So many of the newest events of a kind are read."""


def complete_run(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the runs that begin with what was typed, the newest first."""
    (started,) = _newest("run.started")
    return _beginning((event.run for event in reversed(started)), incomplete)


def complete_active_run(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the runs that are not over and begin with what was typed, the newest first."""
    started, ended = _newest("run.started", "run.ended")
    over = {event.run for event in ended}
    active = (event.run for event in reversed(started) if event.run not in over)
    return _beginning(active, incomplete)


def complete_client(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the clients that are enrolled and begin with what was typed."""
    enrolled, *left = _newest("client.enrolled", "client.retired", "client.revoked")
    gone: dict[str, int] = {}
    for event in chain(*left):
        gone[event.client] = max(event.seq, gone.get(event.client, 0))
    latest = {event.client: event.seq for event in enrolled}
    here = (client for client, seq in latest.items() if seq > gone.get(client, 0))
    return _beginning(sorted(here), incomplete)


def complete_metric(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the metrics that runs reported and that begin with what was typed."""
    from scheduler.ledger.events import RoundEvaluated  # noqa: PLC0415 - few verbs choose

    (evaluated,) = _newest("round.evaluated")
    found = [event.payload for event in evaluated if isinstance(event.payload, RoundEvaluated)]
    return _beginning(sorted({name for each in found for name in each.metrics}), incomplete)


def complete_policy(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the shipped policies that begin with what was typed, with what each does."""
    from scheduler.policies.policy import POLICIES  # noqa: PLC0415 - loads NumPy, few verbs choose

    return [
        CompletionItem(name, help=policy.summary)
        for name, policy in POLICIES.items()
        if name.startswith(incomplete)
    ]


def _newest(*kinds: str) -> list[list[Event]]:
    """Return the newest events of each kind in order; none if no ledger can be read."""
    from tasks.cli.base import ledger_to_read  # noqa: PLC0415 - loads the database, few verbs read

    try:
        ledger = ledger_to_read()
        return [ledger.newest(kind, limit=_MOST) for kind in kinds]
    except (FairwindError, OSError):
        return [[] for _ in kinds]


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
