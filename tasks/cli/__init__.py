"""The `fairwind` command, installed by itself and as ``celery -A tasks fairwind``.

A verb is imported when it runs. `VERBS` is the one place that names them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from common.command_line.lazy_group import LazyGroup, Verb
from common.visible import visible

VERBS = {
    "enroll": Verb("tasks.cli.enroll:enroll", "Enrol a client, and make its site's kit."),
    "rotate": Verb("tasks.cli.enroll:rotate", "Give a site a new password and a new kit."),
    "revoke": Verb("tasks.cli.enroll:revoke", "Take a client out, its key and its Redis user too."),
    "tls": Verb("tasks.cli.tls:tls", "Make certificates for Redis, by a small authority."),
    "key": Verb("tasks.cli.key:key", "Print the coordinator's public key, for its sites."),
    "retire": Verb("tasks.cli.clients:retire", "Retire a client. Its past stays in the ledger."),
    "clients": Verb("tasks.cli.clients:clients", "List the clients with grid, gate and emissions."),
    "zones": Verb("tasks.cli.signals:zones", "List the zones of the configured sources."),
    "signal": Verb("tasks.cli.signals:signal", "Show each zone's carbon source and its quota."),
    "forecast": Verb("tasks.cli.signals:forecast", "Show a zone's expected carbon intensity."),
    "run": Verb("tasks.cli.runs:run", "Start, stop and look at runs."),
    "try": Verb("tasks.cli.try_out:try_out", "Try a workload on this machine, in seconds."),
    "status": Verb("tasks.cli.status:status", "Show the state of the federation and of a run."),
    "plan": Verb("tasks.cli.plan:plan", "Show which clients would train now, and why."),
    "advice": Verb("tasks.cli.advice:advice", "Show what a client could do to emit less."),
    "report": Verb("tasks.cli.report:report", "Report energy and emissions, for an auditor."),
    "events": Verb("tasks.cli.events:events", "Print what happened, or happens: --follow."),
    "ledger": Verb("tasks.cli.ledgers:ledger", "Read, verify and replay the ledger."),
    "site": Verb("tasks.cli.site:site", "Look at a site or pause it, at the site itself."),
    "settings": Verb("tasks.cli.settings:settings", "List every setting with its value."),
    "check": Verb("tasks.cli.check:check", "Check this machine for what would go wrong."),
}  # fmt: skip
"""Every verb of this room and of those below it. Rooms above name theirs as entry points."""


class Fairwind(LazyGroup):
    """The verbs, each of which ends with a line where Redis fails under it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            redis = sys.modules.get("redis")  # what has failed is loaded; other verbs need none
            if redis is None or not isinstance(error, redis.RedisError):
                raise
            from tasks.messaging.broker import broker_error  # noqa: PLC0415 - (the same)

            raise click.ClickException(visible(str(broker_error(error)))) from None


@click.group(
    cls=Fairwind, verbs=VERBS, plugins="fairwind.commands",
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
@click.version_option(package_name="fairwind")
def fairwind() -> None:
    """Federated learning that runs where and when the electricity is clean."""


def main() -> None:
    """Run the command line; as for a worker, the current folder's modules can be imported."""
    from common.log import configure  # noqa: PLC0415 - `celery` loads this module for every worker
    from common.private_files import keep_private  # noqa: PLC0415 - (the same)

    sys.path.append(str(Path.cwd()))
    configure("WARNING")  # to stderr: what a command prints may be JSON
    keep_private()
    fairwind(prog_name="fairwind")


__all__ = ["fairwind", "main"]
