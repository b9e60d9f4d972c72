"""A scenario: all inputs of a simulation. What TOML files hold, checked and frozen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from common.bounds import MOST_W
from common.messages import NAME_PATTERN
from common.settings.carbon import GateSettings
from scheduler.carbon.reading import MOST_GCO2EQ_PER_KWH
from scheduler.ledger.bias_choice import choose_bias, is_open
from scheduler.ledger.run_spec import RunSpec
from simulation.scenario.attacks import Attack
from simulation.scenario.hours import minutes_of
from simulation.scenario.machines import MACHINES


def _usual(name: str) -> float:
    """Return the default of production's setting of that name."""
    return float(GateSettings.model_fields[name].default)


class ScenarioPart(BaseModel):
    """Base of all parts of a scenario."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SignalPart(ScenarioPart):
    """What the grids do.

    Attributes:
        kind: ``typical_day`` needs no file. ``trace`` replays a CSV in one of the formats of
            `scheduler.carbon.signals.trace_file`. ``recorded`` replays the actual values that a
            file of recorded forecasts holds. ``flat`` never changes.
        path: Of ``trace`` and ``recorded``: beside the scenario's file, or in FAIRWIND_DATA.
        gco2eq_per_kwh: Of ``flat``: one intensity for all zones, or one for each.
    """

    kind: Literal["typical_day", "trace", "recorded", "flat"] = "typical_day"
    path: Path | None = None
    gco2eq_per_kwh: float | dict[str, float] | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.path is None) == (self.kind in ("trace", "recorded")):
            msg = "kinds trace and recorded, and they alone, read a file: give its path"
            raise ValueError(msg)
        if (self.gco2eq_per_kwh is None) == (self.kind == "flat"):
            msg = "kind flat, and it alone, takes an intensity: give gco2eq_per_kwh"
            raise ValueError(msg)
        return self


class ForecastPart(ScenarioPart):
    """What is believed of the hours to come.

    Attributes:
        mode: ``perfect``: the truth. ``recorded``: a provider's forecasts of the time, issued
            daily. ``ar1``: the truth with an error like a provider's; see
            `simulation.grids.error_model`. ``persistence``: the same hour yesterday. ``own``: what
            Fairwind forecasts itself from the past.
        path: Of ``recorded``: beside the scenario's file, or in FAIRWIND_DATA.
        error_factor: Of ``ar1``: how far off, 1 being as far as a real provider; 0 is perfect.
    """

    mode: Literal["perfect", "recorded", "ar1", "persistence", "own"] = "ar1"
    path: Path | None = None
    error_factor: float = Field(default=1.0, ge=0, le=5)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.path is None) == (self.mode == "recorded"):
            msg = "mode recorded, and it alone, reads a file: give its path"
            raise ValueError(msg)
        return self


class SplitPart(ScenarioPart):
    """Which examples each client holds; see `models.workloads.partition`.

    Attributes:
        kind: ``own`` takes each client's data from the workload, as a site does. ``natural``: one
            place of the workload's for each client.
        alpha: Of ``dirichlet`` and ``resampled``: the smaller, the more the clients differ.
        labels: Of ``label``: about how many labels a client knows.
        strength: Of ``correlated``: from 0 to 1, at which clean grids hold half of the labels.
        size: Of ``resampled``: examples that every client draws.
        seed: Of the split; the scenario's if left out.
    """

    kind: Literal[
        "iid", "dirichlet", "label", "correlated", "natural", "resampled", "own"
    ] = "dirichlet"  # fmt: skip
    alpha: float = Field(default=0.5, gt=0)
    labels: int = Field(default=2, ge=1)
    strength: float = Field(default=1.0, ge=0, le=1)
    size: int = Field(default=32, ge=1)
    seed: int | None = Field(default=None, ge=0, lt=2**31)


class WorkloadPart(ScenarioPart):
    """What is learned.

    Attributes:
        name: As in production: a shipped name, or an import path. ``none`` schedules without
            learning.
        init_from: A safetensors file with the model that the run begins from; `None` for a new one.
        split: Which client holds which examples.
        learn: Whether it is trained; if not, the split only sets how many examples clients have.
        batched: Whether all clients of a round train at once; `None` where it is possible and pays.
    """

    name: str = "none"
    init_from: Path | None = None
    learn: bool = True
    split: SplitPart = SplitPart()
    batched: bool | None = None


class GatePart(ScenarioPart):
    """When gates open; what is left out is as production's settings have it."""

    threshold_gco2eq_per_kwh: float = Field(default=_usual("threshold_gco2eq_per_kwh"), ge=0)
    ceiling_gco2eq_per_kwh: float = Field(default=_usual("ceiling_gco2eq_per_kwh"), ge=0)
    patience_h: float = Field(default=_usual("patience_h"), gt=0)
    dwell_min: float = Field(default=_usual("dwell_min"), ge=0)
    valid_h: float = Field(default=_usual("valid_h"), gt=0)
    unknown_grid: Literal["wait", "patience"] = "wait"

    @classmethod
    def off(cls) -> Self:
        """Return a gate that is always open."""
        return cls(
            threshold_gco2eq_per_kwh=MOST_GCO2EQ_PER_KWH, ceiling_gco2eq_per_kwh=MOST_GCO2EQ_PER_KWH
        )


class ClientPart(ScenarioPart):
    """A group of like clients.

    Attributes:
        count: How many.
        zone: Electricity Maps zone id, or several that are dealt one after the other.
        machine: Sets power and speed: one of `simulation.scenario.machines`.
        power_w: While it works, without facility overhead.
        examples_per_s: Examples it trains on each second.
        idle_w: Power of the reserved machine while it is there and waits, without facility
            overhead; 0 where none is reserved.
        pue: What the facility adds: energy at the wall over energy of the machine.
        num_examples: At most this many count. Without learning: how many it has.
        latency_s: From a message's sending to its arrival, each way.
        bandwidth_mbps: For model and update, Mbit/s; `None` moves them in no time.
        speed_jitter: Sigma of the lognormal factor by which the time of training varies.
        failure_rate: Probability that work fails on the way, having used power until then.
        windows: Hours of the day (UTC) in which it is there, such as ``22-06``; always if empty.
        on_h: Mean hours it is there at a time, if it comes and goes by chance.
        off_h: Mean hours it is away at a time.
        attack: How it lies: one of `simulation.scenario.attacks`; `None` if it is honest.
    """

    count: int = Field(default=1, ge=1, le=1_000_000)
    zone: str | tuple[str, ...] = Field(min_length=1)
    machine: str | None = None
    power_w: float | None = Field(default=None, gt=0)
    examples_per_s: float | None = Field(default=None, gt=0)
    idle_w: float = Field(default=0.0, ge=0, le=MOST_W)
    pue: float = Field(default=1.0, ge=1, le=5)
    num_examples: int | None = Field(default=None, ge=1)
    latency_s: float = Field(default=0.0, ge=0, le=86_400)
    bandwidth_mbps: float | None = Field(default=None, gt=0)
    speed_jitter: float = Field(default=0.0, ge=0, le=2)
    failure_rate: float = Field(default=0.0, ge=0, le=1)
    windows: tuple[str, ...] = ()
    on_h: float | None = Field(default=None, gt=0)
    off_h: float | None = Field(default=None, gt=0)
    attack: Attack | None = None

    @field_validator("windows", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("windows")
    @classmethod
    def _are_windows(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for window in value:
            minutes_of(window)
        return value

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.machine is not None and self.machine not in MACHINES:
            msg = f"there is no machine {self.machine!r}; choose {', '.join(MACHINES)}"
            raise ValueError(msg)
        if self.machine is None and None in (self.power_w, self.examples_per_s):
            msg = "give power_w and examples_per_s, or a machine that has both"
            raise ValueError(msg)
        if (self.on_h is None) != (self.off_h is None) or (self.on_h and self.windows):
            msg = "give both on_h and off_h, or windows, or none of them"
            raise ValueError(msg)
        if self.idle_w * self.pue > MOST_W:
            msg = f"no site draws more than {MOST_W:,.0f} W while it waits: lower idle_w or pue"
            raise ValueError(msg)
        return self

    @property
    def zones(self) -> tuple[str, ...]:
        """The zones its clients are dealt to."""
        return (self.zone,) if isinstance(self.zone, str) else self.zone


class Scenario(ScenarioPart):
    """A federation, its grids, what it learns, and how its run goes.

    Attributes:
        name: Also of the run, and so part of every seed, as in production.
        seed: Of everything that is drawn: the run, the split, the forecasts' errors, the sites.
        start: When the run starts, in UTC on both clocks: they agree.
        run: As in production; `id`, `workload` and `seed` are the scenario's.
    """

    name: str = Field(pattern=NAME_PATTERN)
    description: str = ""
    seed: int = Field(default=0, ge=0, lt=2**31)
    start: AwareDatetime
    signal: SignalPart = SignalPart()
    forecast: ForecastPart = ForecastPart()
    workload: WorkloadPart = WorkloadPart()
    run: RunSpec
    gate: GatePart = GatePart()
    clients: tuple[ClientPart, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _joined(cls, data: Any) -> Any:
        """Give the run the scenario's values, and let ``gate = "off"`` be a gate."""
        if not isinstance(data, dict):
            return data
        data = dict(data)
        if data.get("gate") == "off":
            data["gate"] = GatePart.off()
        if isinstance(data.get("run"), RunSpec):
            data["run"] = data["run"].model_dump()
        if isinstance(data.get("run"), dict):
            workload = data.get("workload", {})
            name = workload.name if isinstance(workload, WorkloadPart) else workload.get("name")
            data["run"] = data["run"] | {
                "id": data.get("name"), "workload": name or "none", "seed": data.get("seed", 0),
            }  # fmt: skip
        return data

    @model_validator(mode="after")
    def _liars_learn(self) -> Self:
        if not self.has_workload and any(part.attack for part in self.clients):
            msg = "an attack is on what is learned: name a workload, or leave out attack"
            raise ValueError(msg)
        return self

    def decided(self) -> Scenario:
        """Return the scenario with what its run leaves open chosen, as by a coordinator with room.

        Chosen when it is simulated: under another policy another choice is made.
        """
        if not is_open(self.run):
            return self
        run, _ = choose_bias(self.run, clients=0, version_nbytes=0, free_nbytes=0)
        return self.model_copy(update={"run": run})

    def altered(self, **changes: Any) -> Scenario:
        """Return the scenario with other top-level parts, checked anew.

        Args:
            changes: By field; a dict changes the fields it names and leaves the others.
        """
        body = self.model_dump()
        for name, change in changes.items():
            merge = isinstance(change, dict) and isinstance(body[name], dict)
            body[name] = body[name] | change if merge else change
        return Scenario.model_validate(body)

    @property
    def learns(self) -> bool:
        """Whether a model is trained."""
        return self.workload.learn and self.has_workload

    @property
    def has_workload(self) -> bool:
        """Whether the workload defines what each client holds."""
        return self.workload.name != "none"

    @property
    def zones(self) -> tuple[str, ...]:
        """Every zone a client is in, sorted."""
        return tuple(sorted({zone for part in self.clients for zone in dealt(part)}))


def dealt(part: ClientPart) -> Sequence[str]:
    """Return the zone of each client of a group."""
    return [part.zones[n % len(part.zones)] for n in range(part.count)]
