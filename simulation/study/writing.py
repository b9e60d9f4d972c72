"""Writing the study: its tables, figures and results, and how they were made."""

from __future__ import annotations

import json
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from common.units import show_duration
from simulation.study.charts import draw
from simulation.study.conduct import StudyResults
from simulation.study.headline import headline
from simulation.study.page import page_of, quick_page_of

_PROJECT = Path(__file__).resolve().parents[2]
_README = _PROJECT / "README.md"
_MARKER = "<!-- study -->"


@dataclass(frozen=True, slots=True)
class Making:
    """How results were made.

    Attributes:
        command: What was typed.
        jobs: In how many processes.
        took_s: Wall time; less if runs were kept from before.
        quick: Whether it is the quick study.
    """

    command: str
    jobs: int
    took_s: float
    quick: bool

    def description(self, results: StudyResults) -> str:
        """Return how to make the same again, in two or three sentences."""
        seeds = max((chapter.seeds for chapter in results.chapters), key=len)
        return made_by(self.command, len(results.rows), seeds, took_s=self.took_s, jobs=self.jobs)


def made_by(command: str, runs: int, seeds: Sequence[int], *, took_s: float, jobs: int) -> str:
    """Return how runs were made, and with what."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "scipy"))
    return (
        f"Made by `{command}` at commit {commit()}: {runs} runs, seeds "
        f"{', '.join(map(str, seeds))}, in {show_duration(took_s)} with {jobs} "
        f"processes. Python {platform.python_version()}, {versions}, {platform.machine()}."
    )


def write(results: StudyResults, making: Making, folder: Path) -> list[Path]:
    """Write everything into a folder and return what was written.

    What the full study found in the year that is held out also goes between its markers in
    README.md, if the folder is the project's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = making.description(results)
    if making.quick:
        page, raw = folder / "quick.md", folder / "quick.json"
        page.write_text(quick_page_of(results, made), "utf-8")
    else:
        page, raw = folder / "README.md", folder / "results.json"
        page.write_text(page_of(results, made), "utf-8")
    raw.write_text(to_json(results, made), "utf-8")
    written = [page, raw]
    for name, picture in draw(results, quick=making.quick).items():
        (folder / name).write_text(picture, "utf-8")
        written.append(folder / name)
    if not making.quick and folder.resolve() == _PROJECT / "docs" / "study":
        _put_into_readme(headline(results))
        written.append(_README)
    return written


def to_json(results: StudyResults, made: str) -> str:
    """Return chosen rates, yardsticks and rows as JSON, one line a run."""
    chapters = {name: asdict(by) for name, by in results.yardsticks.items()}
    rows = ",\n".join(
        json.dumps(_without_blanks(asdict(row)), separators=(",", ":")) for row in results.rows
    )
    head = (
        f'"made": {json.dumps(made)},\n"rates": {json.dumps(results.rates)},\n'
        f'"chapters": {json.dumps(chapters)}'
    )
    return f'{{{head},\n"rows": [\n{rows}\n]}}\n'


def commit() -> str:
    """Return the commit of the code, marked if files differ from it."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"],  # noqa: S607
            cwd=_PROJECT, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def _without_blanks(row: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if value not in (None, ())}


def _put_into_readme(text_of_study: str) -> None:
    text = _README.read_text("utf-8")
    found = re.compile(f"{_MARKER}.*?{_MARKER}", re.DOTALL)
    _README.write_text(found.sub(lambda _: f"{_MARKER}\n{text_of_study}\n{_MARKER}", text), "utf-8")
