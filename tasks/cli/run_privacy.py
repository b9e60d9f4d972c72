"""The lines of `run show --privacy`."""

from __future__ import annotations

from common.command_line.screen import echo
from common.command_line.table import print_table
from scheduler.federation.record_privacy import CLAIM, NOT_COVERED
from scheduler.federation.run import Run


def print_privacy(run: Run) -> None:
    """Print what a run has spent of the privacy of each site's records."""
    if not run.spec.hyperparameters.is_private:
        echo("Privacy      none: the run has no --privacy record, so updates may show records")
        return
    print_table(
        ["site", "epsilon", "delta", "trainings"],
        [
            (client, f"{spent.epsilon:.2f}", f"{spent.delta:.1e}", str(spent.trainings))
            for client, spent in sorted(run.privacy.items())
        ],
    )
    for name, value in CLAIM:
        echo(f"{name.capitalize():<13} {value}")
    echo(f"{'Not covered':<13} {'; '.join(NOT_COVERED)}")
