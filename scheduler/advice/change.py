"""What a client could change, and how many grams each change would save it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from common.units import show_energy, show_intensity, show_mass, show_share
from scheduler.advice.clean_hours import DayWindow
from scheduler.advice.practice import Practice
from scheduler.advice.published import (
    BATCH_SIZE,
    EIGHT_BITS,
    MIXED_PRECISION,
    POWER_CAP,
    PUE_SOURCE,
    REACHABLE_PUE,
    Published,
)

_OWN = "this site's own figures of the last five weeks"
_WORTH_SHARE = 0.01
"""A change that saves less than this share of an update gets no line."""


@dataclass(frozen=True, slots=True)
class SiteChange:
    """One thing a site could do. All savings are estimated, in gCO2eq for each update.

    Attributes:
        name: A word for machines.
        text: What to do, in one sentence.
        saves_gco2eq: What it would save.
        low_gco2eq: The least it may save; below zero where it may cost.
        high_gco2eq: The most it may save.
        computed: How the figure was worked out, with its numbers.
        source: Where the assumption comes from, with its year.
        effects: By part of the score, the factor by which the change multiplies its figure.
    """

    name: str
    text: str
    saves_gco2eq: float
    low_gco2eq: float
    high_gco2eq: float
    computed: str
    source: str
    effects: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """What changes are worked out from.

    Attributes:
        client: Whose changes.
        practices: By client, of the same runs; the client's own among them.
        window: The cleanest window of its day; `None` with less than a week of history.
        outcomes: How often its work became what, in the last five weeks.
    """

    client: str
    practices: Mapping[str, Practice]
    window: DayWindow | None
    outcomes: Counter[str]

    @property
    def own(self) -> Practice:
        """The client's practice."""
        return self.practices[self.client]


Simulated = SiteChange | str | None
"""A change, or why its saving is unknown, or `None`."""


def find_changes(facts: Facts) -> tuple[tuple[SiteChange, ...], tuple[str, ...]]:
    """Return the changes that save something, most grams first, and what is unknown and why."""
    answers = [propose(facts) for propose in _PROPOSALS]
    worth = facts.own.gco2eq * _WORTH_SHARE
    changes = [a for a in answers if isinstance(a, SiteChange) and a.saves_gco2eq > worth]
    ranked = sorted(changes, key=lambda change: change.saves_gco2eq, reverse=True)
    return tuple(ranked), tuple(answer for answer in answers if isinstance(answer, str))


def _hours(facts: Facts) -> Simulated:
    own, window = facts.own, facts.window
    if window is None:
        return "Other hours: less than seven whole days of this grid's past are known."
    worst, best = window.high_gco2eq_per_kwh, window.low_gco2eq_per_kwh
    name = _window_name(window)
    return SiteChange(
        name="hours",
        text=f"Train from {name} UTC only (FAIRWIND_SITE_WINDOWS={name}).",
        saves_gco2eq=_grams(own, own.gco2eq_per_kwh - window.gco2eq_per_kwh),
        low_gco2eq=_grams(own, own.gco2eq_per_kwh - worst),
        high_gco2eq=_grams(own, own.gco2eq_per_kwh - best),
        computed=(
            f"{show_energy(own.energy_wh)} an update x ({show_intensity(own.gco2eq_per_kwh)} while "
            f"it trained - {show_intensity(window.gco2eq_per_kwh)} in that window)"
        ),
        source=f"this grid's hours on {window.days} days; rounds at other hours go on without it",
    )


def _window_name(window: DayWindow) -> str:
    return f"{window.start_h:02}:00-{(window.start_h + window.hours) % 24:02}:00"


def _grams(own: Practice, gco2eq_per_kwh: float) -> float:
    return own.energy_wh * gco2eq_per_kwh / 1000


def _gpu(facts: Facts) -> Simulated:
    own = facts.own
    if own.gpu_wh or own.joule_per_sample is None:
        return None
    others = [p for name, p in facts.practices.items() if name != facts.client and p.gpu_wh]
    joules = [p.joule_per_sample for p in others if p.joule_per_sample is not None]
    if not joules:
        return "GPU instead of CPU: no site that trains the same on a GPU has reported its energy."
    middle = median(joules)
    shares = [1 - joule / own.joule_per_sample for joule in (max(joules), middle, min(joules))]
    return SiteChange(
        name="gpu",
        text="Train on a GPU instead of the CPU.",
        saves_gco2eq=own.gco2eq * shares[1],
        low_gco2eq=own.gco2eq * shares[0],
        high_gco2eq=own.gco2eq * shares[2],
        computed=(
            f"{show_mass(own.gco2eq)} an update x (1 - {middle:.2g} J / "
            f"{own.joule_per_sample:.2g} J for one example)"
        ),
        source=f"measured in the same runs at {len(joules)} of its peers, which train on GPUs",
        effects=_less_energy(shares[1]),
    )


def _power_cap(facts: Facts) -> Simulated:
    if not facts.own.gpu_wh:
        return None
    text = "Cap the power of the GPU at about 60 % of its limit (nvidia-smi --power-limit)."
    return _published("power_cap", text, facts.own, POWER_CAP)


def _batch_size(facts: Facts) -> Simulated:
    if not facts.own.gpu_wh:
        return (
            "Power cap, batch size, mixed precision: what is published is about GPUs, and this "
            "site reports none."
        )
    text = "Look for a batch size, with a power limit, that uses less energy; the run sets it."
    return _published("batch_size", text, facts.own, BATCH_SIZE)


def _mixed_precision(facts: Facts) -> Simulated:
    own = facts.own
    if not own.gpu_wh:
        return None
    most = _gpu_gco2eq(own) * MIXED_PRECISION.high_share
    return (
        f"Mixed precision: from nothing to {show_mass(most)} an update by --precision bf16 "
        f"({MIXED_PRECISION.source})."
    )


def _published(name: str, text: str, own: Practice, published: Published) -> SiteChange:
    gpu = _gpu_gco2eq(own)
    return SiteChange(
        name=name,
        text=text,
        saves_gco2eq=gpu * published.share,
        low_gco2eq=0.0,
        high_gco2eq=gpu * published.high_share,
        computed=f"{show_share(published.share)} of the GPU's {show_mass(gpu)} an update",
        source=published.source,
        effects=_less_energy(published.share * own.gpu_wh / own.energy_wh),
    )


def _gpu_gco2eq(own: Practice) -> float:
    return own.gco2eq * own.gpu_wh / own.energy_wh


def _less_energy(share: float) -> dict[str, float]:
    return {"grams_per_update": 1 - share, "joule_per_sample": 1 - share}


def _smaller_updates(facts: Facts) -> Simulated:
    network = facts.own.network_gco2eq
    if network is None:
        return "Smaller updates: what its bytes use on their way is not known."
    saves = network / 2 * EIGHT_BITS.share
    return SiteChange(
        name="smaller_updates",
        text="Send smaller updates: runs with --update mxint8, or with fewer trained layers.",
        saves_gco2eq=saves,
        low_gco2eq=0.0,
        high_gco2eq=saves,
        computed=(
            f"{show_share(EIGHT_BITS.share)} of the bytes on the way there, which are half of "
            f"the network's {show_mass(network)} an update"
        ),
        source=EIGHT_BITS.source,
    )


def _overhead(facts: Facts) -> Simulated:
    own = facts.own
    if own.pue == 1:
        return "Cooling: the site reports PUE 1, as if it had none; set FAIRWIND_PUE."
    if own.pue <= REACHABLE_PUE:
        return None
    share = 1 - REACHABLE_PUE / own.pue
    return SiteChange(
        name="pue",
        text=f"Bring the overhead for cooling and power supply down to PUE {REACHABLE_PUE}.",
        saves_gco2eq=own.gco2eq * share,
        low_gco2eq=0.0,
        high_gco2eq=own.gco2eq * share,
        computed=f"{show_mass(own.gco2eq)} an update x (1 - {REACHABLE_PUE} / {own.pue:.2f})",
        source=PUE_SOURCE,
        effects=_less_energy(share),
    )


def _idle(facts: Facts) -> Simulated:
    idle = facts.own.idle_gco2eq
    if idle is None:
        return "Waiting hardware: the site does not report its energy (FAIRWIND_IDLE_W)."
    return SiteChange(
        name="idle",
        text="Release the reserved machine between rounds: switch it off, or let others use it.",
        saves_gco2eq=idle,
        low_gco2eq=0.0,
        high_gco2eq=idle,
        computed=f"all of the {show_mass(idle)} that it emitted waiting, for each update",
        source=f"{_OWN}; what waking it costs is not known",
        effects={"idle_share": 0.0},
    )


def _wasted(facts: Facts) -> Simulated:
    wasted, parts = facts.own.wasted_gco2eq, facts.outcomes
    kinds = ", ".join(f"{n} {what.replace('_', ' ')}" for what, n in parts.most_common())
    return SiteChange(
        name="wasted",
        text="See that work counts: come in time, and look into what fails (the site's log).",
        saves_gco2eq=wasted,
        low_gco2eq=0.0,
        high_gco2eq=wasted,
        computed=f"all of the {show_mass(wasted)} of work that did not count ({kinds})",
        source=_OWN,
    )


_PROPOSALS: Sequence[Callable[[Facts], Simulated]] = (
    _hours, _gpu, _power_cap, _batch_size, _mixed_precision, _smaller_updates, _overhead, _idle,
    _wasted,
)  # fmt: skip
