"""How many bytes an update is expected to have before it is trained."""

from __future__ import annotations

from collections.abc import Iterable

from common.messages import Assignment
from common.update_encodings import encoded_share
from tasks.site.entry import Answered, Entry


def expected_nbytes(entries: Iterable[Entry], assignment: Assignment) -> int:
    """Return what an update will have: as the run's last one, or the least that is likely.

    Before a run's first update that is the size of the workload's last one, or of an encoded model
    if that is less: what turns out to be larger does not leave the site all the same.

    Args:
        entries: Of the site's journal, oldest first.
        assignment: What is to be trained.
    """
    known = [
        entry
        for entry in entries
        if isinstance(entry, Answered)
        and entry.workload == assignment.workload
        and entry.update_nbytes is not None
    ]
    of_run = [entry.update_nbytes for entry in known if entry.run == assignment.run]
    if of_run:
        return of_run[-1] or 0
    encoded = int(assignment.model.nbytes * encoded_share(assignment.encoding))
    return min([encoded, *(entry.update_nbytes or 0 for entry in known[-1:])])
