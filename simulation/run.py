"""Simulating: from a scenario to its outcome."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from statistics import median

import numpy as np
import torch

from common.clock import VirtualClock
from common.errors import WorkloadError
from models.configured import check_options, configured
from models.model_factory import ModelFactory
from models.own_loop import brings
from models.server_optimizers import make_server_optimizer
from models.update import State
from models.warm_start import read_first_version
from models.workload import Data, Workload, blamed, load_workload
from scheduler.carbon.family import FLOW_TRACED, Family
from scheduler.federation.run import Pause
from scheduler.gate.gate import GateRule
from scheduler.ledger.refused import refusal
from simulation.feasible import looks_ahead_h, refuse_infeasible
from simulation.grids.error_model import LEADS
from simulation.grids.foresight import make_foresight
from simulation.grids.grid import KnownNow, VirtualGrid
from simulation.grids.recorded import FAMILY
from simulation.grids.signals import make_truth
from simulation.grids.truth import Truth, hour_of
from simulation.outcome import Outcome, RoundOutcome
from simulation.outcome_of_run import outcome_of, round_outcome
from simulation.ports.journal import Journal, Memory
from simulation.ports.learner import Learner, NoLearning
from simulation.ports.learning import InMemoryLearning
from simulation.ports.liars import Liars
from simulation.ports.site import VirtualSite, make_sites
from simulation.scenario.data import own_tests, site_tests, split_data
from simulation.scenario.flipped_labels import with_flipped_labels
from simulation.scenario.scenario import Scenario
from simulation.simulated_run import SimulatedRun

OnRound = Callable[[RoundOutcome], None]

_WEEK_H = 7 * 24


def simulate(
    scenario: Scenario, *, on_round: OnRound | None = None, journal: Journal | None = None
) -> Outcome:
    """Simulate a run from its start to its end. The outcome depends on the scenario alone.

    Args:
        scenario: What is simulated.
        on_round: Receives every closed round.
        journal: Takes what happens; in memory if left out.

    Raises:
        FairwindError: If the scenario cannot be simulated, with what could be instead.
    """
    sites, truth = make_sites(scenario), make_truth(scenario)
    family = FAMILY if scenario.signal.kind == "recorded" else FLOW_TRACED
    return play(scenario, sites, truth, family=family, on_round=on_round, journal=journal)


def play(
    scenario: Scenario,
    sites: Mapping[str, VirtualSite],
    truth: Truth,
    *,
    family: Family = FLOW_TRACED,
    pauses: Sequence[Pause] = (),
    on_round: OnRound | None = None,
    journal: Journal | None = None,
) -> Outcome:
    """Simulate a run of these sites in these grids, in place of those of its scenario.

    Args:
        scenario: All the rest.
        sites: By client id; they are changed.
        truth: What the grids do.
        family: What its intensities count.
        pauses: Those that the user gives the run.
        on_round: Receives every closed round.
        journal: Takes what happens; in memory if left out.

    Raises:
        FairwindError: If it cannot be simulated, with what could be instead.
    """
    begun, scenario = time.perf_counter(), scenario.decided()
    with _one_thread():
        refuse_infeasible(scenario, sites, truth)
        clock = VirtualClock(scenario.start)
        foresight = make_foresight(
            scenario.forecast, truth, seed=scenario.seed,
            most_h=max(LEADS, math.ceil(looks_ahead_h(scenario.run))),
        )  # fmt: skip
        data, learner = _learning(scenario, sites, truth)
        simulated = SimulatedRun(
            scenario, sites, _examples(sites, data),
            grid=VirtualGrid(KnownNow(truth, foresight, clock), family), clock=clock,
            learner=learner, journal=journal or Memory(), rule=GateRule.of(scenario.gate, family),
            pauses=pauses,
        )  # fmt: skip
        for closed in simulated.follow():
            if on_round is not None:
                on_round(round_outcome(simulated, closed))
        return outcome_of(
            scenario, simulated, data=data, clients=sites, wall_s=time.perf_counter() - begun
        )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Fix torch's number of threads: with another one, bits may differ, and little is gained."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _learning(
    scenario: Scenario, sites: Mapping[str, VirtualSite], truth: Truth
) -> tuple[Mapping[str, Data], Learner]:
    """Return the data of each client, and the learner."""
    if not scenario.has_workload:
        return {}, NoLearning(scenario.seed)
    name, split = scenario.workload.name, scenario.workload.split
    workload = configured(load_workload(name, allowed=(name,)), scenario.run.options)
    chosen = scenario.run.server_optimizer
    optimizer = make_server_optimizer(chosen.name, scenario.run.options, **chosen.options)
    check_options(workload, scenario.run.options, server_optimizer=optimizer)
    if fault := refusal({*scenario.run.features, *brings(workload)}):
        msg = f"{name} and the run's options do not go together: {fault}."
        raise WorkloadError(msg)
    data = split_data(
        workload, split, list(sites), clean=_clean(scenario, sites, truth),
        seed=scenario.seed if split.seed is None else split.seed,
    )  # fmt: skip
    if not scenario.learns:
        return data, NoLearning(scenario.seed)
    tests = site_tests(workload, split, list(sites))
    held_out = _held_out(workload, scenario, data, tests)
    attacks = {name: site.part.attack for name, site in sites.items() if site.part.attack}
    flipping = [name for name, attack in attacks.items() if attack == "label-flip"]
    learner = InMemoryLearning(
        workload, with_flipped_labels(data, flipping), held_out=held_out, site_tests=tests,
        spec=scenario.run, batched=scenario.workload.batched, first=_first(scenario, workload),
        liars=Liars(attacks),
    )  # fmt: skip
    return data, learner


def _first(scenario: Scenario, workload: Workload) -> State | None:
    """Return the version that a run begins from; `None` for a new model."""
    path = scenario.workload.init_from
    if path is None:
        return None
    return read_first_version(path, ModelFactory(workload).new(), path.with_name)


def _held_out(
    workload: Workload, scenario: Scenario, data: Mapping[str, Data], tests: Mapping[str, Data]
) -> Mapping[str, Data] | None:
    """Return what clients evaluate on; `None` if they do not, or have nothing for it."""
    chosen, held_out_data = scenario.run.evaluators, getattr(workload, "held_out_data", None)
    if held_out_data is None or chosen == "coordinator":
        return None
    if chosen is None and workload.test_data() is not None:
        return None
    # What the workload holds out for a client belongs to its own share of the examples.
    if scenario.workload.split.kind != "own" and (shares := own_tests(workload, data, tests)):
        return shares
    with blamed(workload, "simulation"):
        return {client: held_out_data(client) for client in data}


def _examples(sites: Mapping[str, VirtualSite], data: Mapping[str, Data]) -> dict[str, int]:
    """Return how many examples each client has: those it holds, or those of the scenario."""
    holds: Mapping[str, object] = data
    counts = {name: site.part.num_examples or 0 for name, site in sites.items()}
    counts |= {name: len(own) for name, own in holds.items() if isinstance(own, Sized)}
    if data and (unknown := [name for name, count in counts.items() if not count]):
        msg = (
            f"The data of {unknown[0]} have no length, so how long it trains cannot be simulated. "
            "Set num_examples under [[clients]]."
        )
        raise WorkloadError(msg)
    return counts


def _clean(scenario: Scenario, sites: Mapping[str, VirtualSite], truth: Truth) -> list[bool]:
    """Return whose grid is among the cleaner half, by the two weeks around the start."""
    around = truth.hours(hour_of(scenario.start) - _WEEK_H, 2 * _WEEK_H)
    means = dict(zip(truth.zones, np.nanmean(around, axis=1).tolist(), strict=True))
    middle = median(means[site.zone] for site in sites.values())
    return [means[site.zone] <= middle for site in sites.values()]
