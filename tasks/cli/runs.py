"""The group `run`: start runs, steer them and look at them."""

from __future__ import annotations

import click

from tasks.cli.run_compare import compare_runs
from tasks.cli.run_control import pause, resume, stop
from tasks.cli.run_list import list_runs
from tasks.cli.run_show import export, show
from tasks.cli.run_start import start


@click.group()
def run() -> None:
    """Start runs, steer them and look at them."""


for _command in (start, list_runs, show, compare_runs, pause, resume, stop, export):
    run.add_command(_command)
