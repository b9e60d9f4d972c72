"""Sentences that explain a policy's decision, made of its codes and numbers when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from common.units import show_intensity, show_mass

Because = Mapping[str, float | str | None]
"""A code, and the numbers of its sentence; each name with its unit."""

_SENTENCES: Mapping[str, str] = {
    # fairwind
    "better_hours_ahead": "waits: {better_hours} of the next {hours_ahead} hours"
    " {better_hours_are} cleaner for the clients that are due, and the rounds left need"
    " {hours_needed}; the best begins {best} and saves at least {saves_gco2eq}{after_idle}",
    "among_best_hours": "{better_hours} of the next {hours_ahead} hours {better_hours_are} cleaner"
    " for the clients that are due, and the rounds left need {hours_needed}, so this one is used",
    "at_once": "the policy does not wait for cleaner hours (its option wait is 0); it chooses among"
    " the clients that may train now",
    "no_slack": "the rounds that are left need all the time that is left",
    "no_deadline": "the run has no time limit (--hours), so no round waits for a cleaner hour",
    "overdue": "{overdue} of the invited clients {overdue_have} waited as long as patience allows",
    "closing": "every client takes part at the end of a run; rounds left, this one included:"
    " {rounds_left}",
    # oracle
    "now": "this hour is one of the {rounds} in the plan of least emissions",
    "later": "waits: the plan of least emissions holds its next round {best}",
    "no_hour": "waits: no hour of the forecast can hold a round within the budget",
    "no_plan_found": "waits: the solver found no plan in time and is called again",
    "grid_unknown": "waits: fewer clients than the quorum have a known carbon intensity",
    # fedzero
    "shortest_round": "excess energy lets the cohort train within {minutes} min",
    "too_little_excess": "waits: clients without excess energy: {without_excess}, on the"
    " blocklist: {blocked}",
    "excess_too_short": "waits: clients that the excess energy could train together: {could_train}",
    "first_experience": "the energy per update is still unknown, so the cohort was drawn at random",
}


def explain(because: Because, *, best_at: datetime | None = None) -> str | None:
    """Return the sentence of a policy's reason; `None` without a reason or for a foreign code.

    Args:
        because: As the policy gave it.
        best_at: When the hour begins that it waits for, grid clock, where that is known; else the
            sentence says in how many hours.

    >>> explain({"code": "later", "in_h": 3})
    'waits: the plan of least emissions holds its next round in 3 h'
    """
    return _formatted(_SENTENCES.get(str(because.get("code"))), because, best_at)


def explain_note(note: Because, *, invited: bool) -> str | None:
    """Return the sentence of a policy's note on one client; `None` without one.

    >>> explain_note({"code": "price", "planned_gco2eq": 3.1, "price_gco2eq": 4}, invited=True)
    'it is planned to emit 3.1 gCO2eq; its reservation price is 4 gCO2eq for a whole update'
    """
    return _formatted(_NOTES.get((str(note.get("code")), invited)), note)


_NOTES: Mapping[tuple[str, bool], str] = {
    ("price", True): "it is planned to emit {planned_gco2eq}; its reservation price is"
    " {price_gco2eq} for a whole update",
    ("price", False): "an update would emit {now_gco2eq} now and its reservation price is"
    " {price_gco2eq}; others gain more from this hour",
}
"""By code, and whether the client was invited."""


def _formatted(
    sentence: str | None, because: Because, best_at: datetime | None = None
) -> str | None:
    try:
        return sentence and sentence.format_map(_shown(because, best_at))
    except (KeyError, TypeError, ValueError):  # another policy may use the same code otherwise
        return None


def _shown(because: Because, best_at: datetime | None) -> dict[str, str]:
    """Return figures as people read them: masses and intensities with units, counts whole."""
    shown = {name: _show(name, value) for name, value in because.items()}
    shown |= {f"{name}_are": "is" if value == "1" else "are" for name, value in shown.items()}
    shown |= {f"{name}_have": "has" if because[name] == 1 else "have" for name in because}
    idle = shown.get("idle_gco2eq")
    shown["after_idle"] = f", after the {idle} of machines that wait for it" if idle else ""
    if best_at is not None:
        return shown | {"best": f"at {best_at:%a %H:%M} UTC"}
    return shown | {"best": f"in {shown.get('best_in_h', shown.get('in_h'))} h"}


def _show(name: str, value: float | str | None) -> str:
    if value is None or isinstance(value, str):
        return str(value)
    if name.endswith("_gco2eq"):
        return show_mass(value)
    return show_intensity(value) if name.endswith("_gco2eq_per_kwh") else f"{value:.0f}"
