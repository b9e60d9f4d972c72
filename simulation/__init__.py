"""The same scheduler and the same learning under a virtual clock and real traces."""

from simulation.loading import load_scenario
from simulation.outcome import Outcome, RoundOutcome
from simulation.run import simulate
from simulation.scenario import Scenario

__all__ = ["Outcome", "RoundOutcome", "Scenario", "load_scenario", "simulate"]
