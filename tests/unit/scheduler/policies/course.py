"""A federation whose grids are known to the hour, asked hour by hour who trains."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

from hypothesis import strategies as st

from scheduler.policies.fairwind import select
from scheduler.policies.selection_context import Candidate, PastRound, PastUpdate, SelectionContext
from scheduler.policies.selection_result import SelectionResult
from tests.unit.scheduler.policies.laws import NOW

OPTIONS = {
    "fairness": 0.8, "wait": 0.0, "full_share": 0.1, "parts": 1.0, "floor": 0.5, "relative": 1.0,
    "closing": 1.0, "patience_h": 72.0, "horizon_h": 48.0,
}  # fmt: skip

WAITS = {"wait": 1.0}
WHOLE = {"parts": 0.0}


def site(client: str, *hours: float, **fields: Any) -> Candidate:
    """Return a client alone in its zone: 100 examples, 1 kWh an update, and its grid's hours."""
    told: dict[str, Any] = {
        "zone": client, "num_examples": 100, "energy_wh": 1000.0,
        "intensity_gco2eq_per_kwh": hours[0] if hours else None, "forecast_gco2eq_per_kwh": hours,
    }  # fmt: skip
    return Candidate(client, **(told | fields))


def question(
    *candidates: Candidate, options: Mapping[str, float] | None = None, **fields: Any
) -> SelectionContext:
    told: dict[str, Any] = {
        "wanted": len(candidates), "quorum": 1, "number": 1, "now": NOW, "rng": Random(0),
        "num_clients": len(candidates), "options": {**OPTIONS, **(options or {})},
    }  # fmt: skip
    return SelectionContext(candidates, **(told | fields))


def ask(*candidates: Candidate, **fields: Any) -> SelectionResult:
    return select(question(*candidates, **fields))


def again(asked: SelectionContext) -> SelectionResult:
    """Return the answer to a question, with the same luck whenever it is asked."""
    return select(replace(asked, rng=Random(7)))


@dataclass(frozen=True)
class Held:
    """A round that was held: in which hour of the run, by whom."""

    hour: float
    cohort: Sequence[str]


def drive(
    grids: Sequence[Sequence[float]],
    *,
    rounds: int | None,
    hours: int,
    options: Mapping[str, float] | None = None,
    round_h: float = 1.0,
    end: bool = True,
    there: Sequence[Sequence[bool]] | None = None,
    **fields: Any,
) -> list[Held]:
    """Return the rounds of a run; it is asked whenever a round is over, or each hour it waits.

    Args:
        grids: Of each client, intensity by hour of the run, gCO2eq/kWh, repeated if it is short.
        rounds: That the run wants; `None` for as many as there are.
        hours: After which it ends.
        options: Of the policy.
        round_h: Hours that a round takes.
        end: Whether the policy is told when the run ends.
        there: Of each client, whether it is available in an hour of the run; always if left out.
        **fields: Of every question.
    """
    held: list[Held] = []
    past: list[PastRound] = []
    names = [f"c{n}" for n in range(len(grids))]
    trained = dict.fromkeys(names, 0.0)
    hour = 0.0
    while hour < hours and (rounds is None or len(held) < rounds):
        candidates = [
            site(
                name,
                *itertools.islice(itertools.cycle(grid), int(hour), int(hour) + 48),
                updates=sum(name in done.cohort for done in held[-5:]),
                waited_h=hour - trained[name],
            )
            for n, (name, grid) in enumerate(zip(names, grids, strict=True))
            if there is None or there[n][int(hour)]
        ]
        asked = question(
            *candidates, number=len(held) + 1, now=NOW + timedelta(hours=hour), past=past,
            rng=Random(len(held)), options=options,
            rounds_left=None if rounds is None else rounds - len(held),
            hours_left=hours - hour if end else None, **fields,
        )  # fmt: skip
        cohort = select(asked).cohort
        if not cohort:
            hour += 1.0
            continue
        held.append(Held(hour, cohort))
        updates = {client: PastUpdate(1.0, 60.0, None) for client in cohort}
        past.append(PastRound(len(held), asked.now, updates, round_h))
        trained |= dict.fromkeys(cohort, hour)
        hour += round_h
    return held


intensities = st.sampled_from([0.0, 20.0, 100.0, 130.0, 200.0, 450.0, 700.0])


@st.composite
def questions(draw: st.DrawFn, /, **fixed: Any) -> SelectionContext:
    """Return questions of every kind: what is known of clients, of time and of grams varies."""
    figures = st.none() | st.sampled_from([0.0, 0.5, 1.0, 30.0, 1000.0])
    zones = {
        zone: (draw(st.none() | intensities), tuple(draw(st.lists(intensities, max_size=6))))
        for zone in "uvwxyz"
    }
    candidates = []
    for client in draw(st.lists(st.sampled_from([f"c{n}" for n in range(8)]), unique=True)):
        zone = draw(st.sampled_from("uvwxyz"))
        now, ahead = zones[zone]
        candidates.append(
            Candidate(
                client,
                zone,
                num_examples=draw(st.none() | st.sampled_from([0, 1, 100, 400])),
                utility=draw(figures),
                duration_s=draw(figures),
                energy_wh=draw(figures),
                intensity_gco2eq_per_kwh=now,
                forecast_gco2eq_per_kwh=ahead,
                waited_h=draw(st.sampled_from([0.0, 5.0, 80.0, 400.0])),
            )
        )
    cohorts = draw(st.lists(st.sets(st.sampled_from([f"c{n}" for n in range(9)])), max_size=12))
    past = [
        PastRound(
            number,
            NOW + timedelta(hours=40 * (number - len(cohorts))),
            {client: PastUpdate(1.0, 60.0, None) for client in sorted(cohort)},
            draw(st.sampled_from([0.0, 0.1, 1.0, 3.0])),
        )
        for number, cohort in enumerate(cohorts)
    ]
    told: dict[str, Any] = {
        "wanted": draw(st.integers(0, 9)),
        "quorum": draw(st.integers(1, 4)),
        "number": len(past) + 1,
        "past": past,
        "epochs": draw(st.integers(1, 6)),
        "grams": draw(st.none() | st.sampled_from([0.0, 1e-9, 5.0, 300.0])),
        "spent_gco2eq": draw(st.sampled_from([0.0, 5.0])),
        "rounds_left": draw(st.none() | st.integers(1, 60)),
        "hours_left": draw(st.none() | st.sampled_from([0.0, 0.5, 3.0, 48.0, 900.0])),
        "interval_h": draw(st.sampled_from([0.0, 1.0, 6.0])),
    }
    options = {
        "fairness": draw(st.sampled_from([0.0, 0.5, 0.8, 1.0])),
        "wait": draw(st.sampled_from([0.0, 1.0])),
        "full_share": draw(st.sampled_from([0.0, 0.25, 1.0])),
        "parts": draw(st.sampled_from([0.0, 1.0])),
        "floor": draw(st.sampled_from([0.01, 0.5, 1.0])),
        "relative": draw(st.sampled_from([0.0, 1.0])),
        "closing": draw(st.sampled_from([0.0, 1.0, 3.0])),
    }
    return question(*candidates, options=options, **(told | fixed))
