"""Policies of the tests' own, found by their import path."""

from __future__ import annotations

from scheduler.policies.answer import Answer
from scheduler.policies.question import Question


def half_the_work(question: Question) -> Answer:
    """Invite all; the first does half of the epochs, and its examples count double."""
    ids = sorted(candidate.client for candidate in question.candidates)
    return Answer(ids, epochs={ids[0]: question.epochs // 2}, weights={ids[0]: 2.0})


def fails(question: Question) -> Answer:
    raise RuntimeError(question.number)


def every_other_day(question: Question) -> list[str]:
    """Invite all at the midnights of odd days, and nobody else."""
    is_time = question.now.hour == 0 and question.now.toordinal() % 2
    return [candidate.client for candidate in question.candidates] if is_time else []
