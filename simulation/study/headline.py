"""What README.md says of the study: the year that is held out, and where Fairwind loses."""

from __future__ import annotations

from simulation.study.cells import NOTHING, duel_cell, labelled, markdown, reached, spread
from simulation.study.comparison import OURS, duel, equal_pairs, hours
from simulation.study.conduct import StudyResults
from simulation.study.contender import Chapter
from simulation.study.field import SIDE
from simulation.study.measures import TARGET_SHARE
from simulation.study.policy_tables import losses


def headline(results: StudyResults) -> str:
    """Return the table of the held-out year, and all losses at the target of 98 %."""
    held_out = [chapter for chapter in results.chapters if chapter.is_held_out]
    tables = [_table(results, chapter) for chapter in held_out]
    lost = losses(results, shares=(TARGET_SHARE,))
    return "\n\n".join([*tables, "**Where it loses**, in all scenarios:", lost])


def _table(results: StudyResults, chapter: Chapter) -> str:
    known = {contender.name for contender in chapter.of("policy")}
    pairs = [(OURS, name) for name in SIDE if name in known] + equal_pairs(results, chapter)
    lines = []
    for ours, name in pairs:
        rows = results.of(chapter.name, name)
        figures = (reached(rows), spread([row.at(TARGET_SHARE).hours for row in rows]))
        against = (
            (NOTHING, NOTHING)
            if name == OURS
            else (
                duel_cell(duel(results, chapter, name, ours=ours)),
                duel_cell(duel(results, chapter, name, ours=ours, figure=hours)),
            )
        )
        jain = spread([row.jain for row in rows], 2)
        lines.append([labelled(name), figures[0], against[0], figures[1], against[1], jain])
    header = ["policy", "g", "fairwind / it", "h", "fairwind / it", "Jain"]
    return markdown(header, lines)
