"""A run's figures as a line of text shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.units import show_duration, show_mass, show_share
from scheduler.status.scores import NOT_FINITE


def show_progress(run: dict[str, Any]) -> str:
    """Return rounds, score and emissions of a view's run in one line."""
    of = f"/{run['rounds_total']}" if run["rounds_total"] else ""
    baseline = run["baseline_gco2eq"]
    run_now = "unknown" if baseline is None else show_mass(baseline)
    emitted = show_mass(run["emitted_gco2eq"])
    return f"Round {run['rounds_done']}{of}  {show_score(run)}  {emitted}  (run now: {run_now})"


def show_score(run: dict[str, Any]) -> str:
    """Return a run's metric with its name: of version 0, as long as there is no other."""
    if run["value"] is None and not run["rounds_done"] and run["first"] is not None:
        return f"{run['metric']} {show_value(run['metric'], run['first'])} (version 0)"
    value = show_value(run["metric"], run["value"])
    return f"{run['metric']} {value}{show_reported(run['reported'])}"


def show_best(run: Mapping[str, Any]) -> str:
    """Return a run's metric of its best version, with its name."""
    return f"{run['metric']} {show_value(run['metric'], run['best'])}"


def show_value(metric: str, value: float | None) -> str:
    """Return one value of a metric: accuracies in per cent."""
    if value is None:
        return "unknown"
    return f"{100 * value:.1f} %" if metric == "accuracy" else f"{value:.4g}"


def show_metrics(metrics: Mapping[str, float | None]) -> str:
    """Return all metrics with their names.

    >>> show_metrics({"accuracy": 0.5, "auc": None})
    'accuracy 50.0 %, auc unknown (NaN or infinite)'
    """
    return ", ".join(
        f"{name} {show_value(name, value)}" + ("" if value is not None else f" ({NOT_FINITE})")
        for name, value in metrics.items()
    )


def show_reported(reported: Mapping[str, int] | None) -> str:
    """Return of how many sites a mean is, where not all of them reported the figure; else "".

    >>> show_reported({"sites": 1, "of_sites": 2, "examples": 64, "of_examples": 128})
    ' (1 of 2 sites, 64 of 128 examples)'
    """
    if reported is None or reported["sites"] == reported["of_sites"]:
        return ""
    return (
        f" ({reported['sites']} of {reported['of_sites']} sites, "
        f"{reported['examples']} of {reported['of_examples']} examples)"
    )


def show_avoided(run: dict[str, Any]) -> str:
    """Return what a run avoided by its choice of time, and for what delay.

    The baseline has the same sites and the same energy, so nothing else differs.
    """
    if not run["rounds_done"]:
        return "nothing yet"
    avoided, share = run["avoided_gco2eq"], run["avoided_share"]
    if avoided is None or share is None:
        return "unknown"
    return f"{show_share(share)} = {show_mass(avoided)}, {show_delay(run['delay_s'])}"


def show_delay(delay_s: float) -> str:
    """Return how much later than its baseline a run was, or how much earlier, in grid seconds.

    >>> [show_delay(s) for s in (81_300, 0.2, -4620)]  # doctest: +NORMALIZE_WHITESPACE
    ['for a delay of 22 h 35 min on the grid clock', 'without delay',
     'finished 1 h 17 min earlier on the grid clock']
    """
    if abs(delay_s) < 1:
        return "without delay"
    span = show_duration(abs(delay_s))
    if delay_s < 0:
        return f"finished {span} earlier on the grid clock"
    return f"for a delay of {span} on the grid clock"
