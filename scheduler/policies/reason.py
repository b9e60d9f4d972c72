"""Sentences of why a policy decided as it did, made of what it told when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from common.units import show_intensity, show_mass
from scheduler.policies.result import Because

_SAID: Mapping[str, str] = {
    # fairwind
    "better_hours_ahead": "waits: {better_hours} of the next {hours_ahead} hours are cleaner for"
    " those whose turn it is, and {hours_needed} are needed; the best begins {best} and saves at"
    " least {saves_gco2eq}",
    "among_best_hours": "{better_hours} of the next {hours_ahead} hours are cleaner for those whose"
    " turn it is, and {hours_needed} are needed, so this one is used",
    "no_slack": "the rounds that are left need all the time that is left",
    "no_deadline": "the run has no last hour, so rounds follow each other",
    "overdue": "the patience of {overdue} of those invited is spent",
    "closing": "everybody takes part at the end of a run: rounds left, this one included,"
    " {rounds_left}",
    # oracle
    "now": "this hour is one of the {rounds} in the plan of least grams",
    "later": "waits: the plan of least grams holds its next round {best}",
    "no_hour": "waits: no hour that is known can hold a round within the budget",
    "no_plan_found": "waits: no plan was found in time; it is tried again",
    "grid_unknown": "waits: the grids of fewer than the quorum are known",
    # fedzero
    "shortest_round": "excess energy lets them train within {minutes} min",
    "too_little_excess": "waits: {without_excess} are without excess energy and {blocked}"
    " rest on the blocklist",
    "excess_too_short": "waits: excess energy lasts for {could_train} of them",
    "first_experience": "nothing is known of their energy yet, so some were drawn",
}


def explain(because: Because) -> str | None:
    """Return what a policy's reason says, `None` if it gave none or one of its own.

    >>> explain({"code": "later", "in_h": 3})
    'waits: the plan of least grams holds its next round in 3 h'
    """
    said = _SAID.get(str(because.get("code")))
    try:
        return said and said.format_map(_shown(because))
    except (KeyError, TypeError, ValueError):  # another policy may use the same word otherwise
        return None


def explain_note(note: Because, *, invited: bool) -> str | None:
    """Return what a policy noted of one client, `None` if that is nothing or words of its own.

    >>> explain_note({"code": "price", "asked_gco2eq": 3.1, "price_gco2eq": 4}, invited=True)
    'it is asked for 3.1 gCO2eq; its turn is worth 4 gCO2eq for a whole update'
    """
    said = _NOTED.get(str(note.get("code")))
    if said is None:
        return None
    turns = "turned" if note.get("turns_at_gco2eq_per_kwh") is not None else "fixed"
    try:
        return said[invited, turns].format_map(_shown(note))
    except (KeyError, TypeError, ValueError):  # another policy may use the same word otherwise
        return None


_NOTED: Mapping[str, Mapping[tuple[bool, str], str]] = {
    "price": {
        (True, "turned"): "it is asked for {asked_gco2eq}; its turn is worth {price_gco2eq} for a"
        " whole update, and above {turns_at_gco2eq_per_kwh} another would have been asked",
        (True, "fixed"): "it is asked for {asked_gco2eq}; its turn is worth {price_gco2eq} for a"
        " whole update",
        (False, "turned"): "an update would emit {now_gco2eq} now and its turn is worth"
        " {price_gco2eq}; below {turns_at_gco2eq_per_kwh} it would have been asked",
        (False, "fixed"): "an update would emit {now_gco2eq} now and its turn is worth"
        " {price_gco2eq}; others gain more from this hour",
    }
}
"""By code, whether it was invited, and whether its grid now could have turned its lot."""


def _shown(told: Because) -> dict[str, str]:
    """Return what was told as people read it: masses and intensities with units, counts whole."""
    shown = {name: _show(name, value) for name, value in told.items()}
    if "best_at" in told:
        best_at = datetime.fromisoformat(str(told["best_at"]))
        return shown | {"best": f"at {best_at:%a %H:%M} UTC"}
    return shown | {"best": f"in {shown.get('best_in_h', shown.get('in_h'))} h"}


def _show(name: str, value: float | str | None) -> str:
    if value is None or isinstance(value, str):
        return str(value)
    if name.endswith("_gco2eq"):
        return show_mass(value)
    return show_intensity(value) if name.endswith("_gco2eq_per_kwh") else f"{value:.0f}"
