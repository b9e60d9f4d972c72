"""Sentences of why a policy invites or waits, made of what it told when they are read."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.policies.answer import Because

_SAID: Mapping[str, str] = {
    # fairwind
    "better_hours_ahead": "waits: {better_hours:.0f} better hours are ahead, {hours_needed:.0f}"
    " needed; the best, in {best_in_h:.0f} h, saves {saves_gco2eq:.3g} g",
    "among_best_hours": "{better_hours:.0f} of the next {hours_ahead:.0f} hours are better, and"
    " {hours_needed:.0f} are needed",
    "no_slack": "the rounds that are left need all the time that is left",
    "overdue": "the patience of {overdue:.0f} is spent",
    "closing": "the run ends with everybody, {rounds_left:.0f} rounds before its end",
    # oracle
    "now": "this hour is one of the {rounds:.0f} in the plan of least grams",
    "later": "waits: the plan of least grams holds its next round in {in_h:.0f} h",
    "no_hour": "waits: no hour that is known can hold a round within the budget",
    "no_plan_found": "waits: no plan was found in time; it is tried again",
    "grid_unknown": "waits: the grids of fewer than the quorum are known",
    # fedzero
    "shortest_round": "excess energy lets them train within {minutes:.0f} min",
    "too_little_excess": "waits: {without_excess:.0f} are without excess energy and {blocked:.0f}"
    " rest on the blocklist",
    "excess_too_short": "waits: excess energy lasts for {could_train:.0f} of them",
    "first_experience": "nothing is known of their energy yet, so some were drawn",
}


def explain(because: Because) -> str | None:
    """Return what a policy's reason says, `None` if it gave none or one of its own.

    >>> explain({"code": "later", "in_h": 3})
    'waits: the plan of least grams holds its next round in 3 h'
    """
    said = _SAID.get(str(because.get("code")))
    try:
        return said and said.format_map(because)
    except (KeyError, TypeError, ValueError):  # another policy may use the same word otherwise
        return None
