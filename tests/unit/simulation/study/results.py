"""Results of a study by hand, and those that the project keeps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from simulation.outcome import Outcome, RoundOutcome
from simulation.study.conduct import StudyResults
from simulation.study.contender import Chapter
from simulation.study.field import RATES, TUNED
from simulation.study.measures import TARGET_SHARES, Reached, Row, Yardstick, measure
from simulation.study.tuning import with_rates

PROJECT = Path(__file__).resolve().parents[4]
PAGES = PROJECT / "docs" / "study"

BY = Yardstick("accuracy", 0.5, 100.0)


def closed(number: int, accuracy: float, cohort: tuple[str, ...] = ("a", "b")) -> RoundOutcome:
    return RoundOutcome(
        number=number, started_h=float(number), ended_h=number + 0.5, invited=2, cohort=cohort,
        gco2eq=10.0, energy_wh=20.0, baseline_gco2eq=None, spent_gco2eq=10.0 * number,
        counted_gco2eq=10.0 * number, metrics={"accuracy": accuracy},
    )  # fmt: skip


def outcome(*accuracies: float, cohort: tuple[str, ...] = ("a", "b")) -> Outcome:
    rounds = tuple(closed(n, value, cohort) for n, value in enumerate(accuracies, start=1))
    return Outcome(
        scenario="x", policy="random", lower_is_better=False, seed=1, rounds=rounds,
        end_reason="rounds", hours=len(rounds) + 1.0,
        energy_wh=20.0 * len(rounds), gco2eq=10.0 * len(rounds),
        uncounted_wh=0.0, uncounted_gco2eq=0.0, unreported=0,
        participations={"a": len(rounds), "b": len(rounds) * ("b" in cohort)},
        applied=None, labels=(),
        label_shares={}, decisions="d" * 64, version="e" * 64, batched=None, reason="", wall_s=0.0,
    )  # fmt: skip


def falling(*errors: float) -> Outcome:
    """Return an outcome whose metric is an error, the less the better."""
    made = outcome(*errors)
    rounds = tuple(replace(r, metrics={"gap": r.metrics["accuracy"]}) for r in made.rounds)
    return replace(made, rounds=rounds, lower_is_better=True)


def rows_of(chapter: Chapter, name: str, grams: tuple[float | None, ...]) -> list[Row]:
    """Return a contender's runs, one a seed, that reach every target with so many grams."""
    (contender,) = (c for c in chapter.contenders if c.name == name and c.group != "forecast")
    rows = []
    for seed, value in enumerate(grams, start=1):
        made = measure(chapter, contender, seed, outcome=outcome(0.1, 0.6, 0.7, 0.8), by=BY)
        hours = None if value is None else 7.0
        reached = tuple(Reached(share, value, hours, value) for share in TARGET_SHARES)
        rows.append(replace(made, reached=reached))
    return rows


def results(*chapters: Chapter, **grams: tuple[float | None, ...]) -> StudyResults:
    """Return results in which everybody needs 100 g, but for those that are named."""
    rates = dict.fromkeys(TUNED, RATES[0])
    known = tuple(with_rates(c, rates) if c.is_held_out else c for c in chapters)
    rows = [
        row
        for chapter in known
        for contender in chapter.contenders
        if contender.group != "forecast"
        for row in rows_of(
            chapter, contender.name,
            grams.get(contender.name.replace(", ", "_").replace(": ", "_").replace(" ", "_"),
                      (100.0,) * len(chapter.seeds)),
        )
    ]  # fmt: skip
    return StudyResults(known, {c.name: BY for c in known}, tuple(rows), rates)


def kept(path: Path, chapters: tuple[Chapter, ...]) -> tuple[StudyResults, str]:
    """Return the results that a study has left, and how they were made."""
    found = json.loads(path.read_text("utf-8"))
    by = {chapter: Yardstick(**figures) for chapter, figures in found["chapters"].items()}
    rates = found["rates"]
    known = tuple(
        with_rates(c, rates) if c.is_held_out else c for c in chapters
    )  # fmt: skip
    rows = tuple(row_of(line) for line in found["rows"])
    return StudyResults(known, by, rows, rates), found["made"]


def row_of(line: dict[str, object]) -> Row:
    """Return a run as it was written; blanks are left out of it."""
    blank: dict[str, object] = dict.fromkeys(Row.__dataclass_fields__)
    points: list[dict[str, float]] = line["reached"]  # type: ignore[assignment]
    reached = tuple(Reached(**point) for point in points)
    curve = tuple(map(tuple, line.get("curve", ())))  # type: ignore[call-overload]
    return Row(**(blank | line | {"curve": curve, "reached": reached}))  # type: ignore[arg-type]
