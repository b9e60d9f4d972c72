"""Questions of every kind, and the laws that a policy's answer obeys."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import strategies as st

from scheduler.policies.selection_context import Candidate, PastRound, PastUpdate, SelectionContext

NOW = datetime(2022, 6, 1, 12, tzinfo=UTC)


def ask(
    candidates: Sequence[Candidate],
    wanted: int,
    options: Mapping[str, float],
    *,
    quorum: int = 1,
    past: Sequence[PastRound] = (),
) -> SelectionContext:
    return SelectionContext(
        candidates=candidates,
        wanted=wanted,
        quorum=quorum,
        number=len(past) + 1,
        now=NOW,
        rng=Random(0),
        past=past,
        options=options,
    )


def rounds(*cohorts: Iterable[str]) -> list[PastRound]:
    """Return closed rounds, an hour apart, in which these clients took part."""
    return [
        PastRound(
            number,
            NOW + timedelta(hours=number - len(cohorts) - 1),
            {client: PastUpdate(utility=1.0, duration_s=60.0, gco2eq=1.0) for client in cohort},
        )
        for number, cohort in enumerate(cohorts, start=1)
    ]


intensities = st.sampled_from([0.0, 50.0, 199.9, 200.0, 200.1, 700.0])  # with ties
forecasts = st.lists(intensities, max_size=5).map(tuple)
ids = [f"c{n}" for n in range(8)]


@st.composite
def questions(draw, options):
    candidates = [
        Candidate(
            client,
            gco2eq=draw(st.none() | st.sampled_from([0.0, 1.0, 2.5])),
            intensity_gco2eq_per_kwh=draw(st.none() | intensities),
            forecast_gco2eq_per_kwh=draw(forecasts),
        )
        for client in draw(st.lists(st.sampled_from(ids), unique=True))
    ]
    cohorts = draw(st.lists(st.sets(st.sampled_from(ids)), max_size=4))
    wanted, quorum = draw(st.integers(0, 9)), draw(st.integers(1, 4))
    return ask(candidates, wanted, options, quorum=quorum, past=rounds(*cohorts))


def assert_lawful(
    select: Callable[[SelectionContext], list[str]], question: SelectionContext
) -> list[str]:
    """Return the answer, after it has been checked against what holds for every policy."""
    answer = select(replace(question, rng=Random(7)))
    assert len(set(answer)) == len(answer) <= question.wanted
    assert set(answer) <= {candidate.client for candidate in question.candidates}
    assert answer == select(replace(question, rng=Random(7)))
    shuffled = Random(1).sample(question.candidates, len(question.candidates))
    assert set(answer) == set(select(replace(question, candidates=shuffled, rng=Random(7))))
    return answer
