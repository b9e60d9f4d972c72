"""The price of waiting: what `run start` says of a run whose policy waits for cleaner hours."""

from __future__ import annotations

from itertools import chain
from statistics import median

from common.units import show_duration, show_energy
from scheduler.carbon.signal import HOUR
from scheduler.federation.federation import Federation
from scheduler.ledger.run_spec import RunSpec
from scheduler.rounds.waiting_cost import ReservedPower

_S_PER_H = 3600


def price_of_waiting(spec: RunSpec, state: Federation) -> str:
    """Return how much longer a run that waits may take, and what idle machines use meanwhile."""
    if spec.hours is None or (spec.rounds is None and spec.grams is None):
        lacks = "--hours" if spec.hours is None else "--rounds or --grams"
        return f"wait=1 changes nothing without {lacks}: the run has no time to spare."
    longer_h = _longer_h(spec, state)
    if longer_h is None:
        return (
            f"wait=1 may make the run take all of its {spec.hours:g} h. How much longer that is "
            f"than without is unknown{_why_unknown(spec)}. {_SAVES}"
        )
    longer = show_duration(longer_h * _S_PER_H)
    return (
        f"wait=1 may make the run take all of its {spec.hours:g} h, {longer} more than its "
        f"{spec.rounds} rounds one after the other. {_idle(state, longer_h)} {_SAVES}"
    )


_SAVES = "What it saves by the forecast: fairwind plan --horizon 96h, once each client has trained."


def _longer_h(spec: RunSpec, state: Federation) -> float | None:
    """Return by how many hours waiting may prolong a run, judged by earlier ones; `None` if not."""
    before = (
        run.closed.recent for run in state.runs.values() if run.spec.workload == spec.workload
    )
    took = [(closed.ended - closed.started) / HOUR for closed in chain.from_iterable(before)]
    if spec.hours is None or spec.rounds is None or not took:
        return None
    return max(0.0, spec.hours - spec.rounds * median(took))


def _why_unknown(spec: RunSpec) -> str:
    if spec.rounds is None:
        return ": it has no number of rounds"
    return f": no run of {spec.workload} has closed a round yet"


def _idle(state: Federation, longer_h: float) -> str:
    reserved = ReservedPower.of(state.enrolled())
    if not reserved.stated:
        return "What that costs is unknown: no site states its idle watts (FAIRWIND_IDLE_W)."
    sites = f"{reserved.stated} reserved site{'s' * (reserved.stated != 1)}"
    return f"Meanwhile {sites} would use up to {show_energy(reserved.all_w * longer_h)}."
