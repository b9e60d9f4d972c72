"""Pulling the model of an assignment: a version, and its frozen part where the site lacks it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from common.messages import Assignment
from models.serialization import parse_state
from models.update import State
from tasks.messaging.transport import Transport, fetch
from tasks.site.frozen_cache import FrozenCache
from tasks.site.memory import SiteMemory
from tasks.site.own_model import keep_version


class Pulled(NamedTuple):
    """A whole model, the names of its frozen parameters, and what is added to its gradients."""

    state: State
    frozen: Collection[str]
    correction: State | None


def pull_model(
    transport: Transport,
    assignment: Assignment,
    *,
    unfinished: Path,
    memory: SiteMemory,
    cache: FrozenCache,
) -> Pulled:
    """Return the model that an assignment is to start from.

    Args:
        transport: Where its bytes wait.
        assignment: Names them.
        unfinished: The folder for the beginning of a version that comes slowly.
        memory: Keeps the version where the run leaves the site a model of its own.
        cache: Has the frozen part, or is given it.

    Raises:
        TransportError: If bytes are missing or altered.
        FairwindError: If there is no room for them at the site.
    """
    data = fetch(transport, assignment.model, unfinished)
    if assignment.has_own:
        keep_version(memory, assignment, data)
    trained = parse_state(data)
    frozen = cache.get(transport, assignment.frozen) if assignment.frozen else {}
    added = assignment.correction
    correction = parse_state(fetch(transport, added, unfinished)) if added else None
    return Pulled({**frozen, **trained}, frozen.keys(), correction)
