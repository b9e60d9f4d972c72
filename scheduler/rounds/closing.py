"""Closing a round: its manifest is committed, and summed into the next version."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping

from common.errors import StorageError
from common.failpoints import failpoint
from common.messages import Timings
from scheduler.federation.federation import Federation
from scheduler.federation.round import Round
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ManifestLine, UpdateFault, UpdateLost
from scheduler.rounds.collection import send, stale_events
from scheduler.rounds.payloads import round_closed, round_committed
from scheduler.rounds.progress import is_complete
from scheduler.rounds.world import LostUpdatesError, World


def close(world: World, run_id: str) -> None:
    """Close a run's open round if it has all it waits for.

    Safe to run twice and at once: the manifest is committed once, the version is a pure function
    of it, and publishing the version is one transaction.
    """
    begun = time.perf_counter()
    round_ = _committed(world, run_id)
    if round_ is None:
        return
    failpoint("round.committed")
    run, state, committed = world.run(run_id), world.history.state, _name(round_)
    superseded = run.controls.superseded
    try:
        made = world.learning.make(run, round_)
    except LostUpdatesError as error:
        _ask_again(world, run_id, committed, error.faults)
        return
    failpoint("round.summed")
    # What counts is fixed since the manifest was committed, so this is worked out unlocked.
    payload = round_closed(
        state, run, round_, world.grid, grid_now=world.clock.grid(), made=made,
        phases=_phases(round_) | {"close_s": time.perf_counter() - begun},
    )  # fmt: skip

    def closed(state: Federation) -> list[Draft]:
        current = state.runs[run_id].open_round
        if current is None or _name(current) != committed:
            return []
        stale = stale_events(state.runs[run_id], current)
        return [*stale, Draft(payload, run=run_id, round=round_.number)]

    bases = {part.base_version for part in round_.cohort.values()} | {round_.base_version}
    if world.record(closed):
        _withdraw(world, run_id, bases)
        _discard(world, superseded)


def _withdraw(world: World, run_id: str, bases: Collection[str]) -> None:
    """Forget versions in flight from which nobody trains any more."""
    now = world.run(run_id).open_round
    needed = {now.base_version, *(p.base_version for p in now.open_assignments())} if now else set()
    for version in sorted(set(bases) - needed):
        world.learning.withdraw(version)


def _discard(world: World, superseded: Collection[str]) -> None:
    """Delete control variates that no run names any more; replay makes them again.

    They were replaced one round ago, not just now: another process may still be working out the
    round that has just closed.
    """
    if superseded:
        runs = world.history.state.runs.values()
        named = {name for run in runs for name in (*run.controls.names(), *run.controls.superseded)}
        world.learning.discard(sorted(set(superseded) - named))


Committed = tuple[int, tuple[ManifestLine, ...] | None]
"""A round's number and its manifest: what a version is a function of."""


def _name(round_: Round) -> Committed:
    return round_.number, round_.manifest


def _ask_again(
    world: World, run_id: str, committed: Committed, faults: Mapping[str, UpdateFault]
) -> None:
    """Issue the assignments of lost updates again: their sites may have the bytes still.

    A site that has not trains again, to the same bits. Without an answer the round goes on as
    without any other: it closes with its quorum, or invites others.

    Raises:
        StorageError: If updates are lost again and again: to ask once more would help nobody.
    """
    _, manifest = committed
    _refuse_endless(world, run_id, faults)

    def lost(state: Federation) -> list[Draft]:
        current = state.runs[run_id].open_round
        if current is None or _name(current) != committed:
            return []
        return [
            Draft(
                UpdateLost(sha256=line.sha256, fault=faults[line.client]),
                run_id, line.issued, line.client,
            )
            for line in manifest or () if line.client in faults
        ]  # fmt: skip

    if world.record(lost):
        send(world, run_id, sorted(faults))


def _refuse_endless(world: World, run_id: str, lost: Iterable[str]) -> None:
    round_ = world.run(run_id).open_round
    parts = [round_.cohort[client] for client in lost] if round_ else []
    if any(part.undelivered + 1 >= world.rules.max_attempts for part in parts):
        clients = ", ".join(sorted(part.client for part in parts))
        msg = (
            f"The updates of {clients} were stored, and were gone or altered each time they were "
            "read. They are not requested again. Check the disk of the blobs, then restore them "
            "from the back-up."
        )
        raise StorageError(msg)


def _committed(world: World, run_id: str) -> Round | None:
    """Return the open round with its manifest committed, or `None` if it is not complete."""

    def committed(state: Federation) -> list[Draft]:
        run = state.runs[run_id]
        if run.open_round is None or run.open_round.manifest is not None:
            return []
        if run.open_round.evaluates or not is_complete(
            state, run, world.judged_at(run), grid_now=world.clock.grid()
        ):
            return []
        committed = round_committed(state, run, run.open_round)
        return [Draft(committed, run=run_id, round=run.open_round.number)]

    world.record(committed)
    round_ = world.run(run_id).open_round
    return round_ if round_ is not None and round_.manifest is not None else None


def _phases(round_: Round) -> dict[str, float | None]:
    """Return where the round's wall seconds went; site phases are of the slowest client."""
    updates = list(round_.accepted.values())
    phases: dict[str, float | None] = {
        name: max((getattr(update.timings, name) for update in updates), default=0.0)
        for name in Timings.model_fields
    }
    accept_s = [update.accept_s for update in updates]
    return phases | {"accept_s": max(accept_s, default=0.0), "accept_total_s": sum(accept_s)}
