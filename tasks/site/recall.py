"""How a site's work starts from what it remembers, and leaves what it is to remember next."""

from __future__ import annotations

from common.errors import encodable
from common.failpoints import failpoint
from common.log import get_logger
from common.messages import Assignment, Reason
from models.local_part import LocalPart
from models.memory import Memory
from models.serialization import read_state, write_state
from tasks.site.memory import SiteMemory

_log = get_logger(__name__)


def local_part(assignment: Assignment) -> LocalPart:
    """Return what training code may know of an assignment."""
    place = assignment.partition
    return LocalPart(
        assignment.run, assignment.round, assignment.client, partition=place.id,
        num_partitions=place.of, options=assignment.options, personal=assignment.personal,
    )  # fmt: skip


def no_room(kept: SiteMemory, assignment: Assignment) -> Reason | None:
    """Return why the site could not remember what a run wants it to; `None` if it can."""
    # Beside a model of its own, a site keeps the version that belongs to it.
    states = (assignment.error_feedback and not assignment.evaluates) + 2 * assignment.has_own
    if not states:
        return None
    shortage = kept.shortage(states * assignment.model.nbytes)
    return None if shortage is None else Reason(code="disk_full", text=encodable(shortage)[:600])


def recall(kept: SiteMemory, assignment: Assignment) -> tuple[Memory, bool]:
    """Return the state that work starts from, and whether another was named but is lost."""
    path = kept.start(assignment)
    if path is not None:
        return read_state(path), False
    lost = assignment.memory is not None
    if lost:
        _log.warning(
            "memory.lost", run=assignment.run, round=assignment.round,
            consequence="the work starts from an empty state, and the receipt says so",
        )  # fmt: skip
    return {}, lost


def remember(kept: SiteMemory, assignment: Assignment, memory: Memory) -> str | None:
    """Keep the state that an update leaves, and return its name; `None` if it is empty."""
    if not memory:
        return None
    name = kept.keep(assignment, lambda path: write_state(memory, path))
    failpoint("site.remembered")
    return name
