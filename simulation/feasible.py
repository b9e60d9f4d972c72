"""What cannot be simulated, found before anything is, with the nearest that can."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from common.errors import SettingError
from scheduler.carbon.signal import hour_start
from scheduler.carbon.signals.trace import Trace
from scheduler.ledger.run_spec import RunSpec
from scheduler.policies.policy import find_policy, policy_options
from simulation.grids.error_model import LEADS
from simulation.grids.recorded import Actual
from simulation.grids.truth import Truth, hour_of
from simulation.ports.site import VirtualSite
from simulation.scenario.scenario import Scenario

_ISSUED_EVERY_H = 24


def refuse_infeasible(scenario: Scenario, sites: Mapping[str, VirtualSite], truth: Truth) -> None:
    """Refuse a scenario that could not be carried out.

    Raises:
        SettingError: With one line: what is wrong, and the nearest valid value.
    """
    _refuse_quorum(scenario, sites)
    _refuse_examples(scenario, sites)
    _refuse_deadline(scenario, sites)
    _refuse_gaps(scenario, truth)
    _refuse_horizon(scenario)


def looks_ahead_h(run: RunSpec) -> float:
    """Return how many hours ahead the run's policy looks; 0 if it reads no forecast."""
    options = policy_options(run.policy, run.policy_options)
    return options.get("horizon_h", 0) if find_policy(run.policy).horizon_h else 0


def _refuse_quorum(scenario: Scenario, sites: Mapping[str, VirtualSite]) -> None:
    quorum = scenario.run.quorum
    if quorum > len(sites):
        raise _refused(
            scenario,
            f"the quorum of {quorum} is larger than the federation of {len(sites)} clients",
            f"Set run.quorum to {len(sites)} or less, or add clients.",
        )


def _refuse_examples(scenario: Scenario, sites: Mapping[str, VirtualSite]) -> None:
    lacking = [name for name, site in sites.items() if site.part.num_examples is None]
    if lacking and not scenario.has_workload:
        raise _refused(
            scenario,
            f"there is no workload, and {lacking[0]} has no number of examples",
            "Give its group num_examples, or the scenario a workload.",
        )


def _refuse_deadline(scenario: Scenario, sites: Mapping[str, VirtualSite]) -> None:
    """Refuse a deadline by which even the fastest quorum cannot answer."""
    if scenario.has_workload:
        return
    trained = scenario.run.hyperparameters.examples_trained
    spans = sorted(
        2 * site.part.latency_s + trained(site.part.num_examples or 0) / site.examples_per_s
        for site in sites.values()
    )
    needed = spans[scenario.run.quorum - 1]
    if needed > scenario.run.deadline_s and not any(s.part.speed_jitter for s in sites.values()):
        raise _refused(
            scenario,
            f"within the deadline of {scenario.run.deadline_s:g} s fewer clients can answer than "
            f"the quorum of {scenario.run.quorum} needs",
            f"Set run.deadline_s to {math.ceil(needed)} or more.",
        )


def _refuse_gaps(scenario: Scenario, truth: Truth) -> None:
    first = hour_of(scenario.start)
    count = max(1, math.ceil(scenario.run.hours or 0))
    missing = np.isnan(truth.hours(first, count))
    if not missing.any():
        return
    row, hour = min(np.argwhere(missing).tolist(), key=lambda found: found[1])
    zone, at = truth.zones[row], hour_start(first + hour)
    if hour == 0:
        raise _refused(
            scenario,
            f"the {truth.signal.name} knows nothing of {zone} at {at:%Y-%m-%d %H:%M}, the start",
            _span(truth, zone),
        )
    raise _refused(
        scenario,
        f"the {truth.signal.name} knows nothing of {zone} at {at:%Y-%m-%d %H:%M}, within the run",
        f"Set run.hours to {hour} or less, start elsewhere, or fill the gap.",
    )


def _span(truth: Truth, zone: str) -> str:
    if not isinstance(truth.signal, Trace | Actual):
        return "Start elsewhere."
    first, last = truth.signal.span(zone)
    return f"Start from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}."


def _refuse_horizon(scenario: Scenario) -> None:
    if scenario.forecast.mode == "perfect":
        return  # the truth reaches as far as a policy looks
    most = LEADS - _ISSUED_EVERY_H if scenario.forecast.mode == "recorded" else LEADS
    horizon_h = looks_ahead_h(scenario.run)
    if horizon_h > most:
        raise _refused(
            scenario,
            f"the policy {scenario.run.policy} looks {horizon_h:g} hours ahead, and the forecast "
            f"surely reaches {most}",
            f"Set run.policy_options.horizon_h to {most} or less.",
        )


def _refused(scenario: Scenario, what: str, remedy: str) -> SettingError:
    return SettingError(f"{scenario.name}: {what}, so nothing was simulated. {remedy}")
