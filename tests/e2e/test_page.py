"""The Rounds page in a real browser: widths, themes, states, keyboard, and accessibility by axe."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import redis

from tasks.local.federation import LocalFederation
from tasks.messaging.drivers import BEAT_SIGN, COORDINATOR_SIGNS, sign, sign_key
from tests.e2e import scenes
from tests.e2e.browser import Page, chromium, find_chromium
from tests.e2e.scenes import Scene

pytestmark = pytest.mark.skipif(
    find_chromium() is None, reason="THE PAGE WAS NOT LOOKED AT: Chromium is not installed"
)

SIZES = [(width, dark) for width in (360, 768, 1400) for dark in (False, True)]

SIGNS = (*COORDINATOR_SIGNS, BEAT_SIGN)

SHOWN = "document.getElementById('live-text').innerText !== 'Connecting…'"

SETTLED = "!document.getAnimations().some((each) => each instanceof CSSTransition)"
"""No colour is between those of two themes any more."""

CUT_OFF = """[...document.querySelectorAll('.rounds-page *')].filter((each) => {
  const { width, right } = each.getBoundingClientRect();
  return width > 0 && right > document.documentElement.clientWidth + 1
    && !each.closest('.table-responsive, .visually-hidden, thead');
}).map((each) => each.outerHTML.slice(0, 120))"""


class Stage:
    """A Flower, a browser, and a ledger that is exchanged for another scene's."""

    def __init__(self, home: Path, broker: redis.Redis, base: str, page: Page) -> None:
        self.home, self.broker, self.base, self.page = home, broker, base, page

    def show(self, scene: Scene, query: str = "", *, driven: bool = True) -> Page:
        """Let the page find a scene, with a coordinator and beat or without."""
        scene.put_into(self.home)
        if driven:
            sign(self.broker, SIGNS)
        else:
            self.broker.delete(*map(sign_key, SIGNS))
        return self.open(query)

    def open(self, query: str = "") -> Page:
        """Go to the page, and wait until it shows the ledger."""
        self.page.resize(width=1400, height=900)
        self.page.open(f"{self.base}/rounds{query}")
        self.page.wait_for(f"document.readyState === 'complete' && {SHOWN}")
        return self.page

    def assert_fits(self, sizes: list[tuple[int, bool]]) -> None:
        """Look at the page in several sizes: nothing is cut off, and axe finds nothing."""
        for width, dark in sizes:
            self.page.resize(width=width, height=900, dark=dark)
            self.page.wait_for(SETTLED)
            where = f"{width} px, {'dark' if dark else 'light'}"
            assert self.page.evaluate(CUT_OFF) == [], where
            assert self.page.violations() == [], where
        assert self.page.complaints == []


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("page")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    patient = {"FAIRWIND_SILENT_AFTER_S": "900"}
    with LocalFederation(folder / "federation", {}, settings=patient) as federation:
        home = federation.folder / "home"
        scenes.empty().put_into(home)
        federation.start_flower(port)
        base = f"http://127.0.0.1:{port}"
        federation.wait_for(lambda: _answers(base), 60, "Flower")
        with (
            chromium(folder / "profile") as page,
            redis.Redis.from_url(federation.redis_url) as broker,
        ):
            yield Stage(home, broker, base, page)


def _answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/rounds").status_code == 200
    except httpx.HTTPError:
        return False


def text_of(page: Page, name: str) -> str:
    return str(page.evaluate(f"document.getElementById({name!r}).innerText"))


def test_a_run_under_way_fits_every_screen(stage: Stage) -> None:
    page = stage.show(scenes.underway(), "?client=berlin")
    page.wait_for("document.querySelectorAll('#advice-places li').length > 1")
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    stage.assert_fits(SIZES)
    assert text_of(page, "verdict").startswith("Training at madrid and toronto")
    assert page.evaluate("document.getElementById('verdict').ariaLive") == "polite"
    # Berlin worked for the runs before this one only.
    row = "[...document.querySelectorAll('tr[data-client=berlin] .NAME')][0].innerText"
    for name in ("cell-rounds", "cell-energy", "cell-grams"):
        assert page.evaluate(row.replace("NAME", name)).strip() == "0"
    assert "16.0 mWh" in text_of(page, "advice-totals")


def test_an_asynchronous_run_shows_whose_updates_it_is_made_of_and_its_versions_to_come(
    stage: Stage,
) -> None:
    page = stage.show(scenes.own_time())
    page.wait_for("document.querySelectorAll('#agenda-rows tr').length > 1")
    stage.assert_fits(SIZES)
    share = "document.querySelector('tr[data-client=NAME] .cell-share').innerText.trim()"
    assert page.evaluate(share.replace("NAME", "toronto")) == "50 %"
    assert page.evaluate(share.replace("NAME", "berlin")) == "10 %"
    # A round of a cohort has no such column.
    page = stage.show(scenes.underway())
    shown = "getComputedStyle(document.querySelector('#clients .cell-share')).display"
    page.wait_for("document.querySelectorAll('#clients tr').length === 6")
    assert page.evaluate(shown) == "none"


def test_runs_and_their_comparison_fit_every_screen(stage: Stage) -> None:
    page = stage.show(scenes.underway(), "?compare=digits-1,digits-2")
    page.wait_for("document.querySelectorAll('#by-hours canvas').length === 1")
    stage.assert_fits(SIZES)
    assert "To reach accuracy 81.0 %: digits-1 took" in text_of(page, "comparison-lead")
    page.evaluate("document.querySelector('#by-grams .u-over').scrollIntoView()")
    place = "document.querySelector('#by-grams .u-over').getBoundingClientRect()"
    spot = {axis: page.evaluate(f"{place}.{axis}") + 60 for axis in ("x", "y")}
    page.call("Input.dispatchMouseEvent", type="mouseMoved", **spot)
    page.wait_for("document.getElementById('comparison-legend').innerText.includes('after round')")
    names = page.evaluate(
        "[...document.querySelectorAll('#differences-rows tr')].map((row) => row.innerText)"
    )
    assert names == [
        "hyperparameters.epochs\t1\t2",
        "hyperparameters.learning_rate\t0.1\t0.05",
        "policy\trandom\tgreedy",
    ]


@pytest.mark.parametrize(
    ("scene", "said"),
    [
        (scenes.empty, "fairwind run start digits"),
        (scenes.waiting, "digits-3"),
        (scenes.blocked, "no function metrics"),
        (scenes.silent, "not running"),
        (scenes.ended, "digits-3 has ended"),
        (scenes.long, "long"),
    ],
)
def test_every_state_fits_and_says_what_is_the_matter(
    stage: Stage, scene: Callable[[], Scene], said: str
) -> None:
    page = stage.show(scene())
    page.wait_for(f"document.body.innerText.includes({said!r})")
    stage.assert_fits([(360, True), (768, False), (1400, False)])


def test_a_federation_without_its_drivers_fits_and_names_what_starts_them(stage: Stage) -> None:
    page = stage.show(scenes.underway(), driven=False)
    page.wait_for("document.getElementById('live-text').innerText.includes('not running')")
    stage.assert_fits([(360, True), (768, False), (1400, False)])
    assert "celery -A tasks worker -Q coordinator,aggregation" in text_of(page, "verdict")


def test_a_run_that_ended_forty_days_ago_keeps_its_chart_and_its_advice(stage: Stage) -> None:
    page = stage.show(scenes.ended(ago=timedelta(days=40)), "?client=toronto")
    page.wait_for("document.querySelectorAll('#grid-chart canvas').length === 1")
    page.wait_for("document.getElementById('advice-now').innerText.includes('One update takes')")
    assert "in the five weeks up to" in text_of(page, "advice-now")


def test_the_keyboard_reaches_tabs_columns_and_ticks(stage: Stage) -> None:
    scene = scenes.underway()
    # What the runs emitted depends on the hour at which they began, hours ago.
    by_grams = sorted(scene.state.runs.values(), key=lambda run: -run.closed.sums.gco2eq)
    page = stage.show(scene)
    page.evaluate("document.getElementById('tab-run').focus()")
    page.press("ArrowRight")
    page.wait_for("document.querySelectorAll('#runs-rows tr').length === 3")
    assert page.evaluate("document.activeElement.id") == "tab-runs"
    assert page.evaluate("document.getElementById('panel-run').hidden") is True
    order = "[...document.querySelectorAll('.run-open')].map((each) => each.innerText).join(' ')"
    assert page.evaluate(order) == "digits-3 digits-2 digits-1"
    page.press("Tab")
    page.press("Enter")  # on the name of the first column
    assert page.evaluate(order) == "digits-1 digits-2 digits-3"
    assert page.evaluate("document.activeElement.parentNode.ariaSort") == "ascending"
    page.evaluate("document.querySelector('[data-key=emitted] .sort').focus()")
    page.press("Enter")
    assert page.evaluate(order) == " ".join(run.id for run in by_grams)
    for run in ("digits-3", "digits-2"):
        page.evaluate(f"document.querySelector('input[data-run={run}]').focus()")
        page.press(" ")
    page.wait_for("!document.getElementById('comparison').hidden")
    assert text_of(page, "comparison-title") == "digits-2 and digits-3"
    assert page.evaluate("location.search") == "?compare=digits-3%2Cdigits-2"
    page.evaluate("document.querySelector('input[data-run=digits-1]').click()")
    page.wait_for("document.getElementById('comparison-title').innerText.includes('digits-1')")
    assert text_of(page, "comparison-title") == "digits-1 and digits-2"
    page.evaluate("document.querySelector('.run-open[data-run=digits-1]').click()")
    page.wait_for("document.getElementById('verdict').innerText.startsWith('digits-1 has ended')")
    assert page.evaluate("document.activeElement.id") == "tab-run"
    assert page.complaints == []


def test_every_chip_of_an_intensity_can_be_read(stage: Stage) -> None:
    page = stage.open()
    least = page.evaluate(
        "import('/rounds/static/format.js').then(({ chip }) => Math.min(...Array.from("
        "{ length: 1500 }, (_, value) => chip(value, 200).contrast)))"
    )
    assert least >= 4.5


def test_what_is_printed_is_dark_ink_without_what_is_clicked(stage: Stage) -> None:
    page = stage.show(scenes.ended())
    page.resize(width=800, height=1100, dark=True, media="print")
    shown = "getComputedStyle(document.querySelector({})).display !== 'none'"
    assert not page.evaluate(shown.format("'nav'"))
    assert not page.evaluate(shown.format("'.tabs'"))
    assert page.evaluate("getComputedStyle(document.querySelector('.verdict')).color") == (
        "rgb(0, 0, 0)"
    )


def test_what_each_site_found_of_the_newest_version_stands_in_its_row(stage: Stage) -> None:
    page = stage.show(scenes.evaluated_at_sites())
    cell = "document.querySelector('tr[data-client=NAME] .cell-rounds').innerText"
    page.wait_for(f"{cell.replace('NAME', 'toronto')}.includes('version')")
    stage.assert_fits(SIZES)
    found = {
        name: str(page.evaluate(cell.replace("NAME", name))).split()
        for name in ("toronto", "madrid", "berlin")
    }
    assert found == {
        "toronto": ["2", "accuracy", "75.0", "%,", "version", "1"],
        "madrid": ["2", "accuracy", "unknown,", "version", "1"],
        "berlin": ["0"],
    }
