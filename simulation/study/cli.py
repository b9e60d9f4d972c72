"""The command `fairwind study`. Loads torch only when it is called."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from common.command_line.screen import echo
from common.errors import SettingError
from common.private_files import for_others
from common.units import show_duration

if TYPE_CHECKING:
    from simulation.hosts.conductor import Conductor

_CACHE = Path(".fairwind/study")

_RUN_S = 5.0
"""A run in the mean, on one core of two that are not busy otherwise."""


@click.command()
@click.option("--quick", is_flag=True, help="Modelled grids and digits alone: a few minutes.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes; one a core if left out.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=None,
    help="Folder of tables and figures; docs/study, or .fairwind/study/part with --only.",
)  # fmt: skip
@click.option(
    "--on", type=click.Choice(["here", "celery"]), default="here", show_default=True,
    help="Where runs are simulated: in processes here, or on all workers of "
    "celery -A simulation worker.",
)  # fmt: skip
@click.option("--only", multiple=True, help="A chapter; repeatable.")
def study(
    *,
    quick: bool,
    jobs: int | None,
    out: Path | None,
    on: str,
    only: tuple[str, ...],
) -> None:
    """Compare all policies on the same grids, data and seeds; write tables and figures.

    What was simulated before is not simulated again, so an interrupted study goes on.
    """
    if jobs and on == "celery":
        msg = "Each worker has its own --concurrency. Leave out --jobs, or --on celery."
        raise click.UsageError(msg)
    from simulation.study.all_chapters import full_study, quick_study  # noqa: PLC0415
    from simulation.study.conduct import conduct, num_runs, possible  # noqa: PLC0415
    from simulation.study.conduct import only as chosen  # noqa: PLC0415
    from simulation.study.writing import Making, write  # noqa: PLC0415

    chapters = []
    for chapter in chosen(quick_study() if quick else full_study(), only):
        why_not = possible(chapter)
        if why_not is None:
            chapters.append(chapter)
        else:
            echo(f"Skipped {chapter.name}: {why_not}", err=True)
    if not chapters:
        msg = "No chapter of the study can be simulated here. Try: fairwind study --quick"
        raise SettingError(msg)
    begun = time.perf_counter()
    jobs = jobs or os.cpu_count() or 1
    count = num_runs(chapters)
    plan = f"{count} runs in {jobs} processes, about {show_duration(count * _RUN_S / jobs)} if none"
    echo(
        f"{count} runs on Celery workers" if on == "celery" else f"{plan} was kept from before",
        err=True,
    )
    runner = _on_celery() if on == "celery" else None
    with _progress(count) as on_done:
        results = conduct(chapters, jobs=jobs, runner=runner, cache=_CACHE, on_done=on_done)
    words = ["fairwind study", *(["--quick"] if quick else []), *(f"--only {n}" for n in only)]
    if runner is not None:
        jobs, words = runner.most_processes, [*words, "--on celery"]
    making = Making(
        command=" ".join(words), jobs=jobs, took_s=time.perf_counter() - begun, quick=quick
    )
    folder = out or (_CACHE / "part" if only else Path("docs/study"))
    with for_others():
        for path in write(results, making, folder):
            echo(f"Wrote {path}")


def _on_celery() -> Conductor:
    """Return what simulates on the workers of any hosts, and reports them on the screen."""
    from simulation.hosts.conductor import conductor  # noqa: PLC0415 - loads Celery and torch

    return conductor(lambda sentence: echo(sentence, err=True))


@contextmanager
def _progress(count: int) -> Iterator[Callable[[], None]]:
    """Yield what is to be called after each run; it shows how many are left, and how long."""
    if sys.stderr.isatty():
        with click.progressbar(length=count, label=f"{count} runs", file=sys.stderr) as bar:
            yield lambda: bar.update(1)
        return
    begun, done = time.perf_counter(), 0

    def on_done() -> None:
        nonlocal done
        done += 1
        if done % max(1, count // 20) == 0:
            spent_s = time.perf_counter() - begun
            left = show_duration(spent_s / done * (count - done))
            echo(f"{done} of {count} runs, about {left} left", err=True)

    yield on_done
