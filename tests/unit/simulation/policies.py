"""Policies of the tests' own, found by their import path."""

from __future__ import annotations

from scheduler.policies.selection_context import SelectionContext
from scheduler.policies.selection_result import SelectionResult


def half_the_work(question: SelectionContext) -> SelectionResult:
    """Invite all; the first does half of the epochs, and its examples count double."""
    ids = sorted(candidate.client for candidate in question.candidates)
    return SelectionResult(ids, epochs={ids[0]: question.epochs // 2}, weights={ids[0]: 2.0})


def fails(question: SelectionContext) -> SelectionResult:
    raise RuntimeError(question.number)


def every_other_day(question: SelectionContext) -> list[str]:
    """Invite all at the midnights of odd days, and nobody else."""
    is_time = question.now.hour == 0 and question.now.toordinal() % 2
    return [candidate.client for candidate in question.candidates] if is_time else []
