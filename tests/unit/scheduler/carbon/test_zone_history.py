"""An almanac keeps the surest figure of each instant, and says since when it has heard nothing."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.reading import SUREST_FIRST, Reading
from scheduler.carbon.zone_history import KEPT, ZoneHistory

NOON = datetime(2026, 7, 8, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CHAIN = ("first", "second")
EMPTY = ZoneHistory("FR")


def told(hour: float = 0, value: float = 100.0, source: str = "first", **changes) -> Reading:
    start = NOON + hour * HOUR
    plain = Reading("FR", start, start + HOUR, value, source, FLOW_TRACED, "estimated")
    return replace(plain, **changes)


def learned(*news: Reading, into: ZoneHistory = EMPTY, now: datetime = NOON) -> ZoneHistory:
    return into.learn_now(news[0].source, news, CHAIN, now)


def test_the_reading_that_holds_is_found_and_nothing_elsewhere():
    known = learned(told(0, 80.0), told(2, 90.0))
    assert known.reading_at(NOON) == told(0, 80.0)
    assert known.reading_at(NOON + HOUR) is None
    assert known.reading_at(NOON - HOUR) is None
    assert known.between(NOON + HOUR / 2, NOON + 3 * HOUR) == [told(0, 80.0), told(2, 90.0)]
    assert known.between(NOON + HOUR, NOON + 2 * HOUR) == []


@pytest.mark.parametrize(
    ("surer", "vaguer"),
    [
        ({"quality": "measured"}, {"quality": "estimated"}),
        ({"quality": "modelled", "source": "second"}, {"quality": "forecast", "issued_at": NOON}),
        ({"quality": "estimated"}, {"quality": "measured", "source": "second"}),
        ({"quality": "forecast", "issued_at": NOON}, {"quality": "stale"}),
        (
            {"quality": "forecast", "issued_at": NOON},
            {"quality": "forecast", "issued_at": NOON - HOUR},
        ),
    ],
)
def test_the_surer_figure_stays_whichever_was_told_first(surer, vaguer):
    sure, vague = told(0, 50.0, **surer), told(0, 60.0, **vaguer)
    assert learned(vague, into=learned(sure)).readings == (sure,)
    assert learned(sure, into=learned(vague)).readings == (sure,)


def test_of_two_equally_sure_figures_the_later_told_one_stays():
    assert learned(told(0, 70.0), into=learned(told(0, 60.0))).readings == (told(0, 70.0),)


def test_a_long_guess_gives_way_where_a_sure_figure_holds():
    guess = told(0, 50.0, end=NOON + 3 * HOUR, quality="forecast", issued_at=NOON)
    known = learned(told(1, 90.0), into=learned(guess))
    assert [(r.start, r.end, r.gco2eq_per_kwh) for r in known.readings] == [
        (NOON, NOON + HOUR, 50.0),
        (NOON + HOUR, NOON + 2 * HOUR, 90.0),
        (NOON + 2 * HOUR, NOON + 3 * HOUR, 50.0),
    ]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 20), st.integers(1, 8), st.sampled_from(SUREST_FIRST),
            st.sampled_from(CHAIN), st.floats(0, 500),
        ),
        min_size=1,
        max_size=12,
    )
)  # fmt: skip
def test_readings_never_overlap_and_cover_all_that_was_told(pieces):
    known = EMPTY
    news = []
    for start, length, quality, source, value in pieces:
        begins = NOON + start * HOUR / 4
        piece = told(0, value, source, start=begins, end=begins + length * HOUR / 4)
        news.append(replace(piece, quality=quality))
        known = known.learn(source, [news[-1]], CHAIN, NOON + 8 * HOUR)
    for before, after in zip(known.readings, known.readings[1:], strict=False):
        assert before.end <= after.start
    for quarter in range(28):
        at = NOON + quarter * HOUR / 4
        held = [r for r in news if r.start <= at < r.end]
        found = known.reading_at(at)
        assert (found is not None) == bool(held)
        if found:
            guesses = {"forecast", "stale"}
            assert (found.quality in guesses) == all(r.quality in guesses for r in held)


def test_it_is_fresh_until_the_figure_told_ends():
    known = learned(told(0))
    assert known.is_fresh("first", NOON + HOUR / 2)
    assert not known.is_fresh("first", NOON + HOUR)
    assert not known.is_fresh("second", NOON)
    late = learned(told(-1))  # the source has not published this hour yet
    assert not late.is_fresh("first", NOON)


def test_a_silence_is_bridged_by_the_last_figure_and_labelled():
    known = learned(told(0, 80.0))
    later = NOON + 90 * timedelta(minutes=1)
    bridged = known.bridge("first", later, 2 * HOUR)
    assert bridged is not None
    holds = bridged.reading_at(later)
    assert holds is not None
    assert (holds.gco2eq_per_kwh, holds.quality, holds.method) == (80.0, "stale", "carried_on")
    assert (holds.start, holds.end) == (NOON + HOUR, NOON + 2 * HOUR)


def test_a_silence_is_bridged_by_a_forecast_where_there_is_one():
    guess = told(1, 75.0, quality="forecast", issued_at=NOON)
    known = learned(told(0, 80.0), guess)
    bridged = known.bridge("first", NOON + HOUR, 2 * HOUR)
    assert bridged is not None
    assert bridged.reading_at(NOON + HOUR) == guess


def test_a_long_silence_and_a_source_never_heard_are_not_bridged():
    assert learned(told(0)).bridge("first", NOON + 3 * HOUR, 2 * HOUR) is None
    assert EMPTY.bridge("first", NOON, 2 * HOUR) is None


def test_a_carried_figure_is_not_carried_on_for_ever():
    known = learned(told(0, 80.0))
    for hours in (1, 2):
        known = known.bridge("first", NOON + hours * HOUR, 2 * HOUR) or EMPTY
    assert known.bridge("first", NOON + 2.5 * HOUR, 2 * HOUR) is None


def test_why_a_source_is_silent_is_kept_until_it_answers():
    known = EMPTY.missed("first", "it sleeps")
    assert known.faults == {"first": "it sleeps"}
    assert learned(told(0), into=known).faults == {}


def test_guesses_of_a_source_given_up_do_not_outlive_it():
    guess = told(1, quality="forecast", issued_at=NOON)
    known = learned(told(0), guess).without_forecasts("first", NOON + HOUR)
    assert known.readings == (told(0),)


def test_what_is_finer_than_an_hour_is_averaged_once_it_is_old():
    halves = [
        told(h, value, end=NOON + (h + 0.5) * HOUR)
        for h, value in ((0, 100.0), (0.5, 200.0), (1, 300.0))
    ]
    known = learned(*halves).thinned(NOON + 2 * HOUR)
    assert known.readings == (told(0, 150.0), halves[2])
    assert learned(*halves).thinned(NOON).readings == tuple(halves)


def test_what_is_older_than_five_weeks_is_forgotten():
    known = learned(told(1), into=learned(told(0)), now=NOON + KEPT + HOUR)
    assert known.readings == (told(1),)


def test_an_almanac_survives_its_way_through_json():
    known = learned(
        told(0, 80.0, quality="measured", low_carbon_share=0.5, price_eur_per_mwh=-3.0),
        told(1, 90.0, quality="forecast", issued_at=NOON, method="own",
             low_gco2eq_per_kwh=80.0, high_gco2eq_per_kwh=120.0),
    ).missed("second", "why")  # fmt: skip
    known = replace(known, past_at={"first": NOON}, future_at={"first": NOON - HOUR})
    assert ZoneHistory.from_dict(json.loads(json.dumps(known.to_dict()))) == known
