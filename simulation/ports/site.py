"""A simulated site: when it is there, and how long its work takes and what it uses."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from common.hyperparameters import Hyperparameters
from common.messages import SIMULATED, Energy, EnergyPart, PrivacySpent
from models.energy.energy_source import SECONDS_PER_HOUR
from models.energy.idle import idle_energy_wh
from models.privacy.accountant import epsilon_of
from models.privacy.spending import Spending, spending_of, usual_delta
from scheduler.selection.plan import derive_seed
from simulation.scenario.hours import Hours, by_chance, daily
from simulation.scenario.machines import MACHINES
from simulation.scenario.scenario import ClientPart, Scenario, dealt

_BIT_PER_B = 8
_PER_MEGA = 1e-6


@dataclass(slots=True)
class VirtualSite:
    """One client's machine, and what it is doing.

    Attributes:
        part: Its group in the scenario.
        power_w: While it works.
        examples_per_s: Examples it trains on each second, but for jitter.
        free_at: When all its assignments so far are done.
        measured_until: When the last work ended whose energy it reports.
        worked: When it worked of late, in order, if its machine is reserved.
        starts: How often it was started: part of its incarnation's name.
        spendings: Its private trainings, counted or not.
    """

    id: str
    zone: str
    part: ClientPart
    power_w: float
    examples_per_s: float
    hours: Hours
    free_at: datetime
    measured_until: datetime
    starts: int = 0
    is_up: bool = field(default=False)
    worked: list[tuple[datetime, datetime]] = field(default_factory=list)
    spendings: list[Spending] = field(default_factory=list)

    @property
    def incarnation(self) -> str:
        """The name of its worker since its last start."""
        return f"{self.id}-{self.starts}"

    def moving(self, nbytes: int) -> timedelta:
        """Return how long bytes take to or from the site, without the latency."""
        if self.part.bandwidth_mbps is None:
            return timedelta()
        return timedelta(seconds=nbytes * _BIT_PER_B * _PER_MEGA / self.part.bandwidth_mbps)

    def training_s(self, examples: float, rng: Random) -> float:
        """Return how long it trains on so many examples, each as often as it counts."""
        sigma = self.part.speed_jitter
        return examples / self.examples_per_s * (rng.lognormvariate(0, sigma) if sigma else 1)

    def used(self, begun: datetime, ended: datetime) -> Energy:
        """Return what work used, by the site's constant power, and its waiting before that.

        As at a real site, the waiting began with the end of the work before, or as it came.
        """
        energy_wh = (ended - begun).total_seconds() * self.power_w / SECONDS_PER_HOUR
        part = EnergyPart(device="site", energy_wh=energy_wh, method=SIMULATED, quality="constant")
        came = self.hours.on_since(begun) or self.measured_until
        idle_s = (begun - max(came, self.measured_until)).total_seconds()
        self.measured_until = ended
        if self.part.idle_w:
            self.worked.append((begun, ended))
        return Energy(
            energy_wh=energy_wh * self.part.pue, method=SIMULATED, quality="constant",
            pue=self.part.pue, parts=(part,), idle_s=idle_s,
            idle_wh=idle_energy_wh(self.part.idle_w, idle_s, pue=self.part.pue),
        )  # fmt: skip

    def debit(self, asked: Hyperparameters, num_examples: int) -> PrivacySpent:
        """Debit a private training, and return what its records have spent, as real sites do."""
        self.spendings.append(spending_of(asked, num_examples))
        delta = usual_delta(num_examples)
        return PrivacySpent(
            epsilon=epsilon_of(self.spendings, delta), delta=delta, trainings=len(self.spendings)
        )


def make_sites(scenario: Scenario) -> dict[str, VirtualSite]:
    """Return every site of a scenario by its client's id, such as FR-03, in its order."""
    zones = [zone for part in scenario.clients for zone in dealt(part)]
    digits = max(2, *(len(str(count)) for count in Counter(zones).values()))
    sites: dict[str, VirtualSite] = {}
    so_far: Counter[str] = Counter()
    for part in scenario.clients:
        for zone in dealt(part):
            so_far[zone] += 1
            name = f"{zone}-{so_far[zone]:0{digits}}"
            sites[name] = _site(scenario, part, name, zone)
    return sites


def _site(scenario: Scenario, part: ClientPart, name: str, zone: str) -> VirtualSite:
    machine = MACHINES.get(part.machine or "")
    power_w, speed = part.power_w, part.examples_per_s
    if machine is not None:
        power_w, speed = power_w or machine.power_w, speed or machine.examples_per_s
    assert power_w is not None and speed is not None  # noqa: S101, PT018 - the part was checked
    return VirtualSite(
        name, zone, part, power_w, speed, _hours(scenario, part, name),
        free_at=scenario.start, measured_until=scenario.start,
    )  # fmt: skip


def _hours(scenario: Scenario, part: ClientPart, name: str) -> Hours:
    if part.windows:
        return daily(part.windows, scenario.start)
    if part.on_h is None or part.off_h is None:
        return Hours()
    rng = Random(derive_seed(scenario.seed, scenario.name, 0, f"hours-{name}"))  # noqa: S311 - a draw
    return by_chance(part.on_h, part.off_h, start=scenario.start, rng=rng)
