"""The group `run`: start runs, steer them and look at them. Each verb is imported when it runs."""

from __future__ import annotations

import click

from common.command_line.lazy_group import LazyGroup, Verb

_VERBS = {
    "start": Verb("tasks.cli.run_start:start", "Start a run."),
    "list": Verb("tasks.cli.run_list:list_runs", "List all runs with their figures."),
    "show": Verb("tasks.cli.run_show:show", "Show a run: rounds, figures, failures, models."),
    "compare": Verb("tasks.cli.run_compare:compare_runs", "Compare two runs by score and grams."),
    "pause": Verb("tasks.cli.run_control:pause", "Hold a run up: no round starts until `resume`."),
    "resume": Verb("tasks.cli.run_control:resume", "Let a paused run go on."),
    "stop": Verb("tasks.cli.run_control:stop", "End a run now; its models are kept."),
    "export": Verb("tasks.cli.export.command:export", "Write models, or figures for other tools."),
}


@click.group(cls=LazyGroup, verbs=_VERBS)
def run() -> None:
    """Start runs, steer them and look at them."""
