"""The catalogue of selection policies: found by name, their options checked, applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from common.errors import SettingError, describe, ends_process
from common.own_function import load_function
from common.settings.names import nearest
from scheduler.policies import (
    alpha_fair,
    by_score,
    cafe,
    carbon_oort,
    disco_rule,
    everyone,
    fairwind,
    fedzero,
    greedy,
    green_window,
    lowcarb,
    oort,
    oracle,
    threshold,
    uniform,
)
from scheduler.policies.selection_context import SelectionContext
from scheduler.policies.selection_result import SelectionResult, fault

Select = Callable[[SelectionContext], SelectionResult | list[str]]
"""Returns the ids of the clients to invite, or a `SelectionResult`."""


@dataclass(frozen=True, slots=True)
class Option:
    """A parameter of a policy: its default, and the bounds within which it makes sense."""

    default: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Policy:
    """A way to choose the cohort.

    Attributes:
        select: The choice.
        summary: What it does, in a few words.
        horizon_h: Hours of forecast that it reads of each candidate's grid, at most.
        options: Its parameters.
    """

    select: Select
    summary: str
    horizon_h: int = 0
    options: Mapping[str, Option] = field(default_factory=dict)


_DAY_AHEAD = Option(24, 1, 96)

_OFF = Option(0, 0, 1)
"""A rule that is switched on with 1."""

_ON = Option(1, 0, 1)
"""A rule that is switched off with 0."""

_LOCAL_WORK = {"full_share": Option(0.1, 0, 1), "parts": _ON, "floor": Option(0.5, 0.01, 1)}
"""How much clients do, in `fairwind` and in its bound, `oracle`."""

POLICIES: dict[str, Policy] = {
    "fairwind": Policy(
        fairwind.select,
        "plans over the forecast: who, when, how much work, what weight",
        horizon_h=96,
        options={
            "fairness": Option(0.8, 0, 1),
            "wait": _OFF,
            **_LOCAL_WORK,
            "relative": _ON,
            "closing": Option(1, 0, 10),
            "patience_h": Option(72, 1, 8760),
            "horizon_h": Option(48, 1, 96),
        },
    ),
    "score": Policy(by_score.select, "samples by score among open clients, and explores"),
    "random": Policy(uniform.select, "samples uniformly among open clients"),
    "all": Policy(everyone.select, "invites every open client"),
    "threshold": Policy(
        threshold.select,
        "invites the cleanest at or below a fixed intensity",
        options={"threshold_gco2eq_per_kwh": Option(200, 0, 2000)},
    ),
    "greedy": Policy(greedy.select, "invites the clients whose update emits least now"),
    "green_window": Policy(
        green_window.select,
        "starts only in one of the greenest hours to come",
        horizon_h=96,
        options={"quantile": Option(0.3, 0, 1), "horizon_h": _DAY_AHEAD},
    ),
    "lowcarb": Policy(
        lowcarb.select,
        "invites the clients that gain least by waiting, as flwr-lowcarb does",
        horizon_h=97,  # the running hour, and those that may be waited for
        options={"horizon_h": Option(12, 1, 96)},
    ),
    "oort": Policy(
        oort.select,
        "samples the useful and fast, and explores, as Oort does",
        options={
            "epsilon": Option(oort.DEFAULTS["epsilon"], 0, 1),
            "epsilon_decay": Option(oort.DEFAULTS["epsilon_decay"], 0, 1),
            "epsilon_min": Option(oort.DEFAULTS["epsilon_min"], 0, 1),
            "pacer_step": Option(oort.DEFAULTS["pacer_step"], 0, 100),
            "pacer_window": Option(oort.DEFAULTS["pacer_window"], 1, 10_000),
            "cut": Option(oort.DEFAULTS["cut"], 0, 1),
            "alpha": Option(oort.DEFAULTS["alpha"], 0, 100),
        },
    ),
    "carbon_oort": Policy(carbon_oort.select, "packs the most Oort utility into the round's grams"),
    "fedzero": Policy(
        fedzero.select,
        "trains on excess energy alone, in the shortest rounds, as FedZero does",
        horizon_h=25,
        options={
            "alpha": Option(1, 0, 1000),
            "quantile": Option(1, 0, 1),
            "power_w": Option(800, 1, 1e9),
            "excess_quantile": Option(0.5, 0, 1),
            "round_min": Option(60, 1, 1440),
        },
    ),
    "alpha_fair": Policy(
        alpha_fair.select,
        "spreads the grams alpha-fairly over clients and the hours ahead",
        horizon_h=96,
        options={
            "alpha": Option(0.1, 1e-3, 1),
            "horizon_h": _DAY_AHEAD,
            "closing": Option(0, 0, 10),
        },
    ),
    "oracle": Policy(
        oracle.select,
        "plans the rest of the run for least emissions, as if the forecast were the truth",
        horizon_h=8761,
        options={
            "fairness": Option(0.8, 0, 1),
            **_LOCAL_WORK,
            "horizon_h": Option(168, 1, 8760),
        },
    ),
    "disco_rule": Policy(
        disco_rule.select,
        "admits the ten of best latency below a carbon limit, as the seed of Fairwind did",
        options={
            "limit_gco2eq_per_kwh": Option(300, 0, 2000),
            "slowest": Option(0, 0, 1),
        },
    ),
    "cafe": Policy(
        cafe.select,
        "weighs utility against the grams overspent so far",
        options={"v": Option(1, 1e-6, 1e6)},
    ),
}
"""All but `fairwind`, `score`, `random`, `all` and `oracle` as published; each names its paper."""


def find_policy(name: str) -> Policy:
    """Return the policy of that name, or at that import path.

    A function found by its path may have attributes `horizon_h` and `options`.

    Raises:
        SettingError: If there is none.
    """
    if name in POLICIES:
        return POLICIES[name]
    if ":" not in name:
        near = nearest(name, POLICIES)
        hint = f"Did you mean {near}?" if near else f"Choose {', '.join(POLICIES)}."
        msg = f"There is no policy {name!r}, so no run was started. {hint}"
        raise SettingError(msg)
    select = load_function(name, role="policy", takes="the selection context", arguments=1)
    own = getattr(select, "horizon_h", 0), getattr(select, "options", {})
    return Policy(select, f"{name}, of your own", *own)


def apply_policy(name: str, context: SelectionContext) -> SelectionResult:
    """Return the decision of a policy.

    Raises:
        SettingError: If there is no such policy, it raised, or its result cannot be carried out.
    """
    policy = find_policy(name)
    try:
        selected = policy.select(context)
        result = (
            selected if isinstance(selected, SelectionResult) else SelectionResult(list(selected))
        )
        wrong = fault(result, context)
    except (Exception, SystemExit) as error:
        if ends_process(error):
            raise
        wrong = (
            f"raised {describe(error)}, so round {context.number} did not start. "
            f"Correct it and restart the coordinator"
        )
    if wrong:
        msg = f"The policy {name} {wrong}."
        raise SettingError(msg)
    return result


def policy_options(name: str, chosen: Mapping[str, float]) -> dict[str, float]:
    """Return a policy's parameters: those chosen, over its defaults.

    Raises:
        SettingError: If there is no such policy, it takes no such parameter, or not this value.
    """
    options = find_policy(name).options
    for word, value in chosen.items():
        if word not in options:
            near = nearest(word, options)
            hint = f"Did you mean {near}?" if near else f"It takes: {', '.join(options) or 'none'}."
            msg = f"The policy {name} takes no parameter {word!r}, so no run was started. {hint}"
            raise SettingError(msg)
        option = options[word]
        if not option.least <= value <= option.most:
            msg = (
                f"The policy {name} takes a {word} from {option.least:g} to {option.most:g}, not "
                f"{value:g}, so no run was started. Its default is {option.default:g}."
            )
            raise SettingError(msg)
    return {word: option.default for word, option in options.items()} | dict(chosen)
