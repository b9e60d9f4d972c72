"""A counterfactual as text and as JSON: one sentence, a table, and its assumptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from common.command_line.screen import Styled, echo
from common.command_line.table import print_table
from common.units import show_duration, show_energy, show_intensity, show_mass, show_share
from simulation.counterfactual.replay import Counterfactual, Replay, ReplayedFigures

_S_PER_H = 3600
_ABOUT_H = 0.1

UNKNOWN_MODEL = (
    "The model of a replay is unknown: data stay at the sites. A policy with fewer local epochs "
    "uses less energy, and learns less a round."
)


def print_counterfactual(seen: Counterfactual) -> None:
    """Print the run, the replay of the same policy, and each other policy."""
    echo(Styled(headline(seen), bold=True))
    own = seen.happened
    rows = [_row("the run", seen.past.run.spec.policy, own, "")]
    for replay in (seen.own, *seen.others):
        kind = "the same, replayed" if replay is seen.own else "instead"
        rows.append(_row(kind, replay.policy, replay.figures, _per_cent(seen.against(replay))))
    header = [
        "", "policy", "rounds", "took", "used", "emitted", "against it", "Jain", "least updates",
    ]  # fmt: skip
    print_table(header, rows)
    for line in notes(seen):
        echo(line)


def headline(seen: Counterfactual) -> str:
    """Return in one sentence what another policy would have emitted, and how long it had taken.

    That is fairwind if it is another policy, else the first other one that could be replayed.
    """
    known = [replay for replay in seen.others if replay.figures is not None]
    best = next((r for r in known if r.policy == "fairwind"), known[0] if known else None)
    own, rounds = seen.past.run.spec.policy, _rounds(seen.happened.rounds)
    if best is None or best.figures is None:
        return f"No other policy could be replayed for these {rounds} of {seen.past.run.id}."
    if best.figures.rounds < seen.happened.rounds:
        return (
            f"With {best.policy} instead of {own} only {best.figures.rounds} of these {rounds} "
            "would have been closed, so their grams cannot be compared."
        )
    return (
        f"With {best.policy} instead of {own} these {rounds} would have emitted "
        f"{_emitted(seen, best, best.figures)}, and taken "
        f"{_longer(best.figures.hours - seen.happened.hours)}."
    )


def notes(seen: Counterfactual) -> list[str]:
    """Return the assumptions behind the figures."""
    lines = [f"{r.policy}: {r.why}" for r in (seen.own, *seen.others) if r.figures is None]
    if seen.error is not None:
        lines.append(
            f"The replay of the same policy emits {_more(seen.error)} than the run did: smaller "
            "differences mean nothing."
        )
    gate = seen.past.scenario.gate
    settings = (
        f"threshold {show_intensity(gate.threshold_gco2eq_per_kwh)}, "
        f"ceiling {show_intensity(gate.ceiling_gco2eq_per_kwh)}, patience {gate.patience_h:g} h"
    )
    lines += [
        UNKNOWN_MODEL,
        f"Gates are as they are set now, because the ledger does not keep that: {settings}.",
        f"Hours to come were forecast in the mode {seen.forecast}.",
    ]
    return lines + _assumptions(seen)


def _assumptions(seen: Counterfactual) -> list[str]:
    lines = []
    known = [(r.policy, r.figures) for r in (seen.own, *seen.others) if r.figures]
    assumed = [
        f"{f.assumed_hours} of {f.all_hours} ({name})" for name, f in known if f.assumed_hours
    ]
    if assumed:
        lines.append(
            f"Hours without an intensity in the ledger: {', '.join(assumed)}. Each is taken as the "
            "same hour of the day before, else as the hour before."
        )
    missing, all_ = seen.past.assumed_before()
    if missing:
        lines.append(
            f"Of the week before the run the ledger lacks {missing} of {all_} hours: they are "
            "taken as on the first day that it holds whole, else gates and forecasts had no past."
        )
    guessed = [member.id for member in seen.past.members if member.is_guessed]
    if guessed:
        lines.append(
            f"Never measured in this run, so the medians of others stand in: {', '.join(guessed)}."
        )
    if seen.unknown_works:
        lines.append(
            f"Emissions of {seen.unknown_works} of {len(seen.past.bookings)} pieces of work are "
            "unknown, and are left out of the run's figures."
        )
    return lines


def to_json(seen: Counterfactual) -> dict[str, Any]:
    """Return everything as JSON can hold it."""
    gate = seen.past.scenario.gate
    return {
        "headline": headline(seen),
        "run": seen.past.run.id,
        "happened": _body(seen.happened) | {"policy": seen.past.run.spec.policy},
        "replay_of_the_same": _replay_body(seen, seen.own),
        "others": [_replay_body(seen, replay) for replay in seen.others],
        "gate": gate.model_dump(),
        "forecast": seen.forecast,
        "assumed_hours_before": seen.past.assumed_before()[0],
        "unknown_works": seen.unknown_works,
        "guessed_clients": [member.id for member in seen.past.members if member.is_guessed],
        "model": UNKNOWN_MODEL,
    }


def _replay_body(seen: Counterfactual, replay: Replay) -> dict[str, Any]:
    body = _body(replay.figures) if replay.figures else {"why": replay.why}
    return {"policy": replay.policy, **body, "emits_more_by": seen.against(replay)}


def _body(figures: ReplayedFigures) -> dict[str, Any]:
    more = {"jain": figures.jain, "least_updates": figures.least_updates}
    return asdict(figures) | more


def _row(kind: str, policy: str, figures: ReplayedFigures | None, against: str) -> Sequence[str]:
    if figures is None:
        return [kind, policy, *["unknown"] * 7]
    return [
        kind, policy, str(figures.rounds), show_duration(figures.hours * _S_PER_H),
        show_energy(figures.energy_wh), show_mass(figures.gco2eq), against,
        f"{figures.jain:.2f}", str(figures.least_updates),
    ]  # fmt: skip


def _emitted(seen: Counterfactual, replay: Replay, figures: ReplayedFigures) -> str:
    more, error = seen.against(replay), abs(seen.error or 0.0)
    instead = f"({show_mass(figures.gco2eq)} instead of {show_mass(seen.happened.gco2eq)})"
    if more is None:
        return show_mass(figures.gco2eq)
    if abs(more) <= error:
        return f"about as much {instead}: a replay is no surer than {show_share(error)}"
    return f"{_more(more)} {instead}"


def _more(share: float) -> str:
    return f"{show_share(abs(share))} {'more' if share > 0 else 'less'}"


def _per_cent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:+.1%}".replace("%", " %")


def _longer(hours: float) -> str:
    if abs(hours) < _ABOUT_H:
        return "as long"
    return f"{show_duration(abs(hours) * _S_PER_H)} {'longer' if hours > 0 else 'less'}"


def _rounds(count: int) -> str:
    return f"{count} rounds" if count > 1 else "round"
