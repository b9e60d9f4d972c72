"""What each site found of a run's versions: a row an answer, from the events that keep it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scheduler.ledger.event import Event
from scheduler.ledger.events import AssignmentEvaluated, UpdateAccepted

SHOWN_ANSWERS = 1000
"""A run's last answers that are listed; the ledger has all."""


def site_rows(newest: Callable[[str, int], list[Event]]) -> list[dict[str, Any]]:
    """Return what sites found of a run's versions, by version and client.

    `version` is the number of the round that made it, 0 the first. `metrics` are on the site's own
    held-out examples, `None` where a figure was not finite; `training_loss` is the mean while it
    trained from that version on its `examples`, `None` if it did not or was not finite.

    Args:
        newest: Returns the newest events of the run of one kind, no more than asked for.
    """
    answers = [
        event
        for kind in (UpdateAccepted.kind, AssignmentEvaluated.kind)
        for event in newest(kind, SHOWN_ANSWERS)
    ]
    answers.sort(key=lambda event: event.seq)
    rows = [_row(event) for event in answers[-SHOWN_ANSWERS:]]
    return sorted(rows, key=lambda row: (row["version"], row["client"]))


def _row(event: Event) -> dict[str, Any]:
    payload = event.payload
    assert isinstance(payload, UpdateAccepted | AssignmentEvaluated)  # noqa: S101 - as asked for
    work = payload.work
    trained = payload.admission.num_examples if isinstance(payload, UpdateAccepted) else 0
    return {
        "version": event.round - 1,
        "client": event.client,
        "held_out_examples": work.num_held_out,
        "metrics": dict(work.metrics),
        "examples": trained,
        "training_loss": work.loss,
    }
