"""The attack table: what each rule is worth under each attack, and under the worst of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from simulation.study.attack_cases import CLIENTS, COLUMNS, NO_ATTACK, Case, Setting
from simulation.study.cells import markdown

AIM = 0.92
"""What mixing is to reach on digits with 4 of 20 liars at Dirichlet 0.5, whatever the attack."""

_AIMED = ("digits", 4, 0.5)
_OURS = "nnm-trimmed"

_HOW = (
    f"{CLIENTS} sites train in every round, on equal terms. A row is a `--robust` rule, set for as "
    "many liars as there are where it takes a number; a column is an "
    "[attack](../simulation.md#liars) that all of them make. In *none* those sites are honest: "
    "what a rule costs where nobody lies. A cell is the mean of the last five versions and all "
    "seeds, in %; *worst* is the least of a row, the best of these is bold. Liars know all honest "
    "updates of the round, which real ones rarely do. `mean` weighs by examples, the other rules "
    "count all sites alike. One or two seeds: differences of a few points mean nothing."
)


@dataclass(frozen=True, slots=True)
class Table:
    """The cells of one setting, 0 to 1, by rule and column."""

    setting: Setting
    cells: Mapping[str, Mapping[str, float]]

    def worst(self, rule: str) -> float:
        """Return the least of a rule's cells."""
        return min(self.cells[rule].values())

    @property
    def best(self) -> str:
        """The rule whose worst case is best."""
        return max(self.setting.rules, key=self.worst)


def tables_of(scored: Sequence[tuple[Case, float]]) -> list[Table]:
    """Return the tables of all runs, in their order."""
    found: dict[str, tuple[Setting, dict[str, dict[str, list[float]]]]] = {}
    for case, score in scored:
        _, rows = found.setdefault(case.setting.title, (case.setting, {}))
        cells = rows.setdefault(case.rule, {}).setdefault(case.attack or NO_ATTACK, [])
        cells.append(score)
    return [
        Table(setting, {r: {c: mean(v) for c, v in row.items()} for r, row in rows.items()})
        for setting, rows in found.values()
    ]


def page_of(tables: Sequence[Table], made: str) -> str:
    """Return the page of all tables."""
    parts = ["# Liars: each rule under each attack", made, "## In short", _summary(tables), _HOW]
    for table in tables:
        setting = table.setting
        parts += [f"## {setting.title}", _about(table), _rows(table)]
    return "\n\n".join(parts) + "\n"


def _summary(tables: Sequence[Table]) -> str:
    lines = [_line(table) for table in tables]
    return "\n".join(f"- {line}" for line in lines)


def _line(table: Table) -> str:
    setting, best = table.setting, table.best
    text = (
        f"**{setting.title}**: under its worst attack `mean` has {_percent(table.worst('mean'))}, "
        f"`{_OURS}` {_percent(table.worst(_OURS))}"
    )
    if best != _OURS:
        text += f", and the best, `{best}`, {_percent(table.worst(best))}"
    if (setting.workload, setting.liars, setting.alpha) == _AIMED:
        is_met = table.worst(_OURS) >= AIM
        text += f". The aim was {_percent(AIM)}: {'met' if is_met else 'missed'}"
    lost = table.cells["mean"][NO_ATTACK] - table.worst(best)
    return f"{text}. Without liars `mean` has {_percent(table.cells['mean'][NO_ATTACK])}" + (
        f": no rule keeps it within {_percent(_NEAR)} of that, as honest sites differ so much "
        "that liars hide among them."
        if lost > _NEAR
        else "."
    )


_NEAR = 0.05
"""A worst case that is so near to a run without liars is as good as that."""


def _about(table: Table) -> str:
    setting = table.setting
    seeds = ", ".join(map(str, setting.seeds))
    return (
        f"`{setting.metric}` in %, a guess has {_percent(setting.chance)}; {setting.rounds} "
        f"rounds, seeds {seeds}."
    )


def _rows(table: Table) -> str:
    best = table.worst(table.best)
    rows = []
    for rule in table.setting.rules:
        worst = table.worst(rule)
        shown = f"**{_figure(worst)}**" if worst == best else _figure(worst)
        rows.append([rule, *(_figure(table.cells[rule][column]) for column in COLUMNS), shown])
    return markdown(["rule", *COLUMNS, "worst"], rows)


def _figure(share: float) -> str:
    return f"{100 * share:.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
