"""A run's figures as a line of text shows them."""

from __future__ import annotations

from typing import Any

from common.units import show_duration, show_mass, show_share


def show_progress(run: dict[str, Any]) -> str:
    """Return rounds, score and emissions of a view's run in one line."""
    of = f"/{run['rounds_total']}" if run["rounds_total"] else ""
    baseline = run["baseline_gco2eq"]
    run_now = "unknown" if baseline is None else show_mass(baseline)
    emitted = show_mass(run["emitted_gco2eq"])
    return f"Round {run['rounds_done']}{of}  {show_score(run)}  {emitted}  (run now: {run_now})"


def show_score(run: dict[str, Any]) -> str:
    """Return a run's metric with its name."""
    return f"{run['metric']} {show_value(run['metric'], run['value'])}"


def show_value(metric: str, value: float | None) -> str:
    """Return one value of a metric: accuracies in per cent."""
    if value is None:
        return "unknown"
    return f"{100 * value:.1f} %" if metric == "accuracy" else f"{value:.4g}"


def show_avoided(run: dict[str, Any]) -> str:
    """Return what a run avoided by waiting, and for what delay."""
    avoided, share = run["avoided_gco2eq"], run["avoided_share"]
    if avoided is None or share is None:
        return "unknown"
    delay = show_duration(max(0.0, run["delay_s"]))
    return f"{show_share(share)} = {show_mass(avoided)}, for a delay of {delay} on the grid clock"
