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

_ATTACK_RUN_S = 2.0
"""Likewise, of the attack table."""


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
@click.option("--attacks", is_flag=True, help="Robust rules under attacks, in place of policies.")
def study(
    *,
    quick: bool,
    jobs: int | None,
    out: Path | None,
    on: str,
    only: tuple[str, ...],
    attacks: bool,
) -> None:
    """Compare all policies on the same grids, data and seeds; write tables and figures.

    With --attacks, compare robust rules instead.

    What was simulated before is not simulated again, so an interrupted study goes on.
    """
    if jobs and on == "celery":
        msg = "Each worker has its own --concurrency. Leave out --jobs, or --on celery."
        raise click.UsageError(msg)
    if attacks:
        if quick or only:
            msg = "--attacks has no chapters. Leave out --quick and --only."
            raise click.UsageError(msg)
        _compare_rules(jobs=jobs, out=out, on=on)
        return
    from simulation.study.all_chapters import full_study, quick_study  # noqa: PLC0415
    from simulation.study.conduct import conduct, num_runs, possible  # noqa: PLC0415
    from simulation.study.conduct import only as chosen  # noqa: PLC0415
    from simulation.study.writing import Making, write  # noqa: PLC0415

    chapters = []
    for chapter in chosen(quick_study() if quick else full_study(), only):
        why_not = possible(chapter.base)
        if why_not is None:
            chapters.append(chapter)
        else:
            _skipped(chapter.name, why_not)
    if not chapters:
        msg = "No chapter of the study can be simulated here. Try: fairwind study --quick"
        raise SettingError(msg)
    begun = time.perf_counter()
    jobs = jobs or os.cpu_count() or 1
    count = num_runs(chapters)
    _announce(count, jobs=jobs, on=on, run_s=_RUN_S)
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


def _compare_rules(*, jobs: int | None, out: Path | None, on: str) -> None:
    """Write the attack table."""
    from simulation.study.attack_cases import cases  # noqa: PLC0415
    from simulation.study.attack_study import (  # noqa: PLC0415
        compare_rules,
        settings,
        write_table,
    )
    from simulation.study.writing import made_by  # noqa: PLC0415

    known, begun, jobs = settings(_skipped), time.perf_counter(), jobs or os.cpu_count() or 1
    runs = list(cases(known))
    _announce(len(runs), jobs=jobs, on=on, run_s=_ATTACK_RUN_S)
    runner = _on_celery() if on == "celery" else None
    with _progress(len(runs)) as on_done:
        tables = compare_rules(runs, jobs=jobs, runner=runner, cache=_CACHE, on_done=on_done)
    words = "fairwind study --attacks"
    if runner is not None:
        jobs, words = runner.most_processes, f"{words} --on celery"
    seeds = sorted({case.seed for case in runs})
    made = made_by(words, len(runs), seeds, took_s=time.perf_counter() - begun, jobs=jobs)
    with for_others():
        echo(f"Wrote {write_table(tables, made, out or Path('docs/study'))}")


def _skipped(name: str, why_not: str) -> None:
    echo(f"Skipped {name}: {why_not}", err=True)


def _announce(count: int, *, jobs: int, on: str, run_s: float) -> None:
    """Print how many runs there are, and about how long they take on one host."""
    if on == "celery":
        echo(f"{count} runs on Celery workers", err=True)
        return
    took = show_duration(count * run_s / jobs)
    echo(f"{count} runs in {jobs} processes, about {took} if none was kept from before", err=True)


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
