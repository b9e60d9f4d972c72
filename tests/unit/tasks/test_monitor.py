"""The Rounds page: a real Flower on loopback with the page installed; only the view is made up."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import os
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import flower.options
import flower.urls
import pytest
from celery import Celery
from flower.app import Flower
from structlog.testing import capture_logs
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.options import OptionParser, options
from tornado.testing import bind_unused_port

from common.errors import FederationError, LedgerError
from common.settings import Settings
from scheduler.federation.opening import open_ledger
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientEnrolled
from tasks.monitor import install
from tasks.monitor.feed import Feed, Mailbox
from tasks.monitor.guard import authenticates, is_loopback, restrict
from tasks.monitor.handlers import STATIC
from tasks.monitor.overlay import with_tab
from tasks.monitor.source import LedgerSource

ROOT = Path(__file__).parents[3]
START = 1_750_000_800  # a full hour
ZONES = {"FR": 55, "NO-NO1": 30, "CH": 75, "ES": 190, "DE": 370, "AU-NSW": 620}


def sample_view() -> dict[str, Any]:
    """Six zones over 29 hours, in which twelve rounds ran."""
    times = [START + 900 * i for i in range(29 * 4)]
    rounds = [
        {
            "round": n,
            "started": START + 7200 * n,
            "ended": START + 7200 * n + 3000,
            "value": 1 - 0.5 / n,
            "gco2eq": 2e-5,
            "baseline_gco2eq": 3e-5,
            "cumulative_gco2eq": 2e-5 * n,
            "cumulative_baseline_gco2eq": 3e-5 * n,
            "energy_wh": 1e-4,
            "cohort": ["fr", "no-no1"],
        }
        for n in range(1, 13)
    ]
    return {
        "now": times[-1],
        "clock_speed": 5400,
        "verdict": "Training at fr.",
        "why": "Round 12 of 12.",
        "runs": [{"id": "digits-1", "workload": "digits", "status": "running"}],
        "run": {"id": "digits-1", "rounds_done": 12, "rounds_total": 12, "metric": "accuracy"},
        "threshold": 200,
        "ceiling": 1000,
        "zones": [
            {
                "zone": zone,
                "clients": [zone.lower()],
                "times": times,
                "values": [base * (1 + 0.3 * math.sin(at / 13_750)) for at in times],
            }
            for zone, base in ZONES.items()
        ],
        "rounds": rounds,
        "clients": [{"client": zone.lower(), "zone": zone, "gate": "open"} for zone in ZONES],
    }


class MadeUp:
    """A source whose sequence, view and failure a test sets."""

    def __init__(self) -> None:
        self.seq = 1
        self.view = sample_view()
        self.failure: Exception | None = None
        self.computed: list[str | None] = []
        self.advised: list[str] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def latest_seq(self) -> int:
        if self.failure:
            raise self.failure
        return self.seq

    def load_view(self, run: str | None) -> dict[str, Any]:
        self.computed.append(run)
        self.may_answer.wait(10)
        if self.failure:
            raise self.failure
        return {**self.view, "seq": self.seq}

    def load_advice(self, client: str) -> dict[str, Any]:
        self.advised.append(threading.current_thread().name)
        if self.failure:
            raise self.failure
        return {"client": client, "lines": [], "missing": ["<b>nothing</b> is known"]}


class Site:
    """A running Flower and a client for it."""

    def __init__(self, port: int, source: MadeUp, feed: Feed) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.source = source
        self.feed = feed

    async def get(self, path: str, **extra: Any) -> HTTPResponse:
        request = HTTPRequest(self.base + path, follow_redirects=False, **extra)
        return await AsyncHTTPClient().fetch(request, raise_error=False)

    @asynccontextmanager
    async def events(self, path: str = "/rounds/events") -> AsyncIterator[Page]:
        host, port = self.base.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
            yield Page(reader)
        finally:
            writer.close()
            await writer.wait_closed()


class Page:
    """What a browser sees of one event stream."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def view(self, timeout_s: float = 5.0) -> dict[str, Any]:
        async with asyncio.timeout(timeout_s):
            while not (line := await self._reader.readline()).startswith(b"data: "):
                assert line, "the stream ended"
        seen: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
        return seen


@pytest.fixture
def _fresh_flower() -> Iterator[None]:
    """Take back what `install` and a test did to Flower's module-wide handlers and options."""
    handlers, settings = list(flower.urls.handlers), dict(flower.urls.settings)
    kept = {name: option._value for name, option in options._options.items()}
    callbacks = list(options._parse_callbacks)
    yield
    flower.urls.handlers[:] = handlers
    flower.urls.settings.clear()
    flower.urls.settings.update(settings)
    options._parse_callbacks[:] = callbacks
    for name, value in kept.items():
        options._options[name]._value = value


Visit = Callable[[Site], Awaitable[None]]
Serve = Callable[..., None]


@pytest.fixture
def serve(_fresh_flower: None) -> Serve:
    def _serve(visit: Visit, *, poll_s: float = 0.02, refresh_s: float = 60, **chosen: Any) -> None:
        async def _run() -> None:
            source = MadeUp()
            feed = Feed(source, poll_s=poll_s, refresh_s=refresh_s)
            install(feed)
            for name, value in chosen.items():
                setattr(options, name, value)
            app = Flower(capp=Celery(broker="memory://"), options=options, **flower.urls.settings)
            socket, port = bind_unused_port()
            server = HTTPServer(app)
            server.add_socket(socket)
            try:
                await visit(Site(port, source, feed))
            finally:
                server.stop()
                await server.close_all_connections()
                app.executor.shutdown()

        asyncio.run(_run())

    return _serve


# ---- the page and its tab


def test_page_is_a_tab_of_flower(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        answer = await site.get("/rounds")
        text = answer.body.decode()
        assert answer.code == 200
        assert re.search(r'nav-link active"\s+href="/rounds"\s+aria-current="page">Rounds<', text)
        assert text.index(">Broker</a>") < text.index(">Rounds</a>")
        assert 'data-events="/rounds/events"' in text

    serve(visit)


def test_every_page_of_flower_has_the_tab(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        for path in ("/workers", "/tasks"):
            assert 'href="/rounds"' in (await site.get(path)).body.decode()

    serve(visit)


def test_page_loads_nothing_from_other_hosts(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        answer = await site.get("/rounds")
        loaded = re.findall(r'(?:<script[^>]* src|<link[^>]* href)="([^"]+)"', answer.body.decode())
        assert "/rounds/static/rounds.js" in loaded
        assert all(address.startswith("/") for address in loaded)
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        for address in loaded:
            assert (await site.get(address)).code == 200, address

    serve(visit)


def test_a_script_is_asked_for_again_after_an_upgrade(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        answer = await site.get("/rounds/static/rounds.js")
        assert answer.headers["Cache-Control"] == "no-cache"
        again = await site.get(
            "/rounds/static/rounds.js", headers={"If-None-Match": answer.headers["Etag"]}
        )
        assert again.code == 304

    serve(visit)


def test_assets_stay_in_their_folder(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        assert (await site.get("/rounds/static/../install.py")).code in {403, 404}
        assert (await site.get("/rounds/static/%2e%2e/install.py")).code in {403, 404}

    serve(visit)


def test_changed_navigation_bar_is_left_as_it_is_and_said_so() -> None:
    with capture_logs() as logs:
        assert with_tab("<nav>something new</nav>") == "<nav>something new</nav>"
    assert [entry["event"] for entry in logs] == ["tab.left_out"]


@pytest.mark.usefixtures("_fresh_flower")
def test_installing_twice_changes_nothing() -> None:
    install()
    handlers = list(flower.urls.handlers)
    install()
    assert flower.urls.handlers == handlers


# ---- the feed


def test_data_is_the_whole_view_once(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        answer = await site.get("/rounds/data?run=digits-1")
        assert json.loads(answer.body) == {**site.source.view, "seq": 1}
        assert answer.headers["Cache-Control"] == "no-store"
        assert site.source.computed == ["digits-1"]

    serve(visit)


def test_a_late_page_sees_the_whole_run_at_once(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        async with site.events() as page:
            view = await page.view()
        assert len(view["rounds"]) == 12
        assert len(view["zones"][0]["times"]) == 29 * 4

    serve(visit)


def test_page_gets_a_new_view_when_the_ledger_grew(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        async with site.events() as page:
            assert (await page.view())["seq"] == 1
            site.source.seq = 2
            assert (await page.view())["seq"] == 2

    serve(visit)


def test_view_is_not_computed_again_while_the_ledger_rests(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        async with site.events() as page:
            await page.view()
            await asyncio.sleep(0.3)
            with pytest.raises(TimeoutError):
                await page.view(timeout_s=0.1)
        assert len(site.source.computed) == 1

    serve(visit)


def test_view_is_renewed_since_clocks_move(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        async with site.events() as page:
            for _ in range(3):
                assert (await page.view())["seq"] == 1

    serve(visit, refresh_s=0.1)


def test_pages_share_one_computation_per_run(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        async with site.events() as one, site.events() as two, site.events() as three:
            for page in (one, two, three):
                await page.view()
        assert len(site.source.computed) == 1

    serve(visit)


def test_requests_join_a_computation_under_way(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        site.source.may_answer.clear()
        waiting = [asyncio.create_task(site.get("/rounds/data")) for _ in range(5)]
        await asyncio.sleep(0.2)
        assert (await site.get("/workers")).code == 200, "Flower is held up"
        site.source.may_answer.set()
        answers = await asyncio.gather(*waiting)
        assert {answer.code for answer in answers} == {200}
        assert len(site.source.computed) == 1

    serve(visit)


def test_nothing_is_computed_for_pages_that_are_gone(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        async with site.events() as page:
            await page.view()
        await asyncio.sleep(0.2)
        computed = len(site.source.computed)
        site.source.seq = 2
        await asyncio.sleep(0.2)
        assert len(site.source.computed) == computed

    serve(visit)


def test_a_slow_page_gets_the_newest_view_only() -> None:
    async def _run() -> None:
        mailbox = Mailbox()
        mailbox.put("old")
        mailbox.put("new")
        assert await mailbox.take(1) == "new"
        assert await mailbox.take(0.01) is None

    asyncio.run(_run())


def test_missing_ledger_is_one_sentence_and_the_page_recovers(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        site.source.failure = LedgerError("There is no ledger at /x. Enrol a client first.")
        async with site.events() as page:
            problem = {"problem": "There is no ledger at /x. Enrol a client first."}
            assert await page.view() == problem
            assert await page.view() == problem  # tried again
            site.source.failure = None
            assert (await page.view())["verdict"] == "Training at fr."

    serve(visit, refresh_s=0.2)


def test_unforeseen_error_shows_no_traceback(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        site.source.failure = RuntimeError("secret of the house")
        with capture_logs() as logs:
            answers = [await site.get("/rounds/data") for _ in range(3)]
        assert [answer.code for answer in answers] == [200] * 3
        assert b"RuntimeError" in answers[0].body
        assert b"secret" not in answers[0].body
        assert [entry["event"] for entry in logs] == ["view.failed"], "logged once, not each time"

    serve(visit)


def test_diverged_metric_is_unknown_to_the_page(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        site.source.view["run"] = {"value": math.nan, "best": math.inf}
        run = json.loads((await site.get("/rounds/data")).body)["run"]
        assert run == {"value": None, "best": None}

    serve(visit)


def test_impossible_run_name_is_refused(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        for path in ("/rounds/data", "/rounds/events"):
            assert (await site.get(f"{path}?run=%3Cscript%3E")).code == 400
        assert site.source.computed == []

    serve(visit)


# ---- advice


def test_advice_is_asked_for_by_client_and_never_in_a_view(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        await site.get("/rounds/data")
        assert site.source.advised == []
        answer = await site.get("/rounds/advice?client=no-no1")
        assert json.loads(answer.body)["client"] == "no-no1"
        assert answer.headers["Content-Type"].startswith("application/json")
        assert answer.headers["Cache-Control"] == "no-store"
        assert len(site.source.advised) == 1
        assert site.source.advised[0].startswith("rounds"), "worked out in the feed's own thread"
        assert site.source.computed == [None]

    serve(visit)


def test_advice_is_worked_out_anew_each_time(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        for _ in range(2):
            await site.get("/rounds/advice?client=fr")
        assert len(site.source.advised) == 2

    serve(visit)


def test_a_client_nobody_knows_is_one_sentence(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        site.source.failure = FederationError("No client 'x' is enrolled. Did you mean xx?")
        answer = await site.get("/rounds/advice?client=x")
        assert answer.code == 200
        assert json.loads(answer.body) == {"problem": "No client 'x' is enrolled. Did you mean xx?"}

    serve(visit)


@pytest.mark.parametrize("query", ["", "?client=", "?client=%3Cscript%3E", "?client=../x"])
def test_advice_for_no_possible_client_is_refused(serve: Serve, query: str) -> None:
    async def visit(site: Site) -> None:
        assert (await site.get(f"/rounds/advice{query}")).code == 400
        assert site.source.advised == []

    serve(visit)


def test_page_knows_where_to_ask_for_advice_under_a_prefix(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        text = (await site.get("/flower/rounds")).body.decode()
        assert 'data-advice="/flower/rounds/advice"' in text
        assert (await site.get("/flower/rounds/advice?client=fr")).code == 200

    serve(visit, url_prefix="flower")


def test_scripts_write_text_and_never_markup() -> None:
    for script in STATIC.glob("*.js"):
        text = script.read_text(encoding="utf-8")
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert way not in text, f"{script.name} uses {way}"


def test_the_page_has_every_element_that_its_scripts_ask_for() -> None:
    page = (STATIC.parent / "templates" / "rounds.html").read_text(encoding="utf-8")
    ids = set(re.findall(r'\bid="([^"]+)"', page))
    for script in STATIC.glob("*.js"):
        text = script.read_text(encoding="utf-8")
        asked = re.findall(r'\b(?:byId|put|showPairs|showFigure)\("([^"]+)"', text)
        assert set(asked) <= ids, script.name


# ---- the ledger


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def test_source_never_creates_a_ledger(home: Settings) -> None:
    source = LedgerSource(home)
    with pytest.raises(LedgerError, match="no ledger"):
        source.load_view(None)
    assert list(home.folder.iterdir()) == []


def test_source_shows_a_ledger_that_appears_later_and_one_that_replaces_it(home: Settings) -> None:
    source = LedgerSource(home)
    with pytest.raises(LedgerError):
        source.latest_seq()
    writer = open_ledger(home.ledger, home.clock)
    assert source.latest_seq() == 0
    with writer.transaction() as transaction:
        transaction.append(Draft(ClientEnrolled(zone="FR", num_examples=None), client="paris"))
    assert source.latest_seq() == 1
    view = source.load_view(None)
    assert view["run"] is None
    assert [client["client"] for client in view["clients"]] == ["paris"]
    writer.close()
    for file in home.folder.glob("ledger.sqlite*"):
        file.rename(file.with_name("old-" + file.name))
    open_ledger(home.ledger, home.clock).close()
    assert source.latest_seq() == 0
    source.close()


# ---- prefix, authentication, address


def test_page_lives_under_flowers_prefix(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        text = (await site.get("/flower/rounds")).body.decode()
        assert 'data-events="/flower/rounds/events"' in text
        assert 'src="/flower/rounds/static/rounds.js"' in text
        assert (await site.get("/flower/rounds/static/rounds.js")).code == 200
        assert (await site.get("/flower/rounds/data")).code == 200
        assert (await site.get("/rounds")).code == 404

    serve(visit, url_prefix="flower")


@pytest.mark.parametrize(
    "path", ["/rounds", "/rounds/data", "/rounds/events", "/rounds/advice?client=fr"]
)
def test_strangers_see_nothing_where_flower_asks_for_a_password(serve: Serve, path: str) -> None:
    async def visit(site: Site) -> None:
        assert (await site.get(path)).code == 401
        wrong = base64.b64encode(b"ann:guess").decode()
        assert (await site.get(path, headers={"Authorization": f"Basic {wrong}"})).code == 401
        assert site.source.computed == []
        assert site.source.advised == []

    serve(visit, basic_auth=["ann:right"])


def test_whoever_knows_the_password_sees_the_view(serve: Serve) -> None:
    async def visit(site: Site) -> None:
        right = base64.b64encode(b"ann:right").decode()
        answer = await site.get("/rounds/data", headers={"Authorization": f"Basic {right}"})
        assert json.loads(answer.body)["verdict"] == "Training at fr."

    serve(visit, basic_auth=["ann:right"])


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - the very address that must not pass
        ("::", False),
        ("192.0.2.7", False),
        ("", False),
        ("no such name", False),
    ],
)
def test_loopback_is_told_from_the_rest(address: str, loopback: bool) -> None:  # noqa: FBT001
    assert is_loopback(address) is loopback


def parsed(*arguments: str) -> OptionParser:
    """Parse as Flower does: command line, configuration file, command line."""
    parser = OptionParser()
    for name in ("address", "unix_socket", "auth"):
        parser.define(name, default="", type=str)
    parser.define("basic_auth", default=None, type=str, multiple=True)
    parser.parse_command_line(["flower", *arguments])
    restrict(parser)
    parser.parse_command_line(["flower", *arguments])
    return parser


def test_flower_listens_on_loopback_unless_told_otherwise() -> None:
    assert parsed().address == "127.0.0.1"
    assert parsed("--address=::1").address == "::1"
    assert not parsed("--unix_socket=/run/flower.sock").address


@pytest.mark.parametrize("address", ["0.0.0.0", ""])  # noqa: S104
def test_flower_refuses_to_be_open_to_all(address: str) -> None:
    with pytest.raises(SystemExit, match=r"without authentication.*not started.*--basic-auth"):
        parsed(f"--address={address}")


@pytest.mark.parametrize("option", ["--basic_auth=ann:right", "--auth=ann@example.com"])
def test_flower_listens_anywhere_once_it_asks_who_comes(option: str) -> None:
    assert parsed("--address=0.0.0.0", option).address == "0.0.0.0"  # noqa: S104


def test_empty_password_is_no_authentication() -> None:
    assert not authenticates(parsed("--basic_auth="))


def test_real_command_refuses_in_one_line(tmp_path: Path) -> None:
    config = ROOT / "flowerconfig.py"
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-b", "memory://", "flower", f"--conf={config}",
         "--address=0.0.0.0", "--port=0"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip().startswith("Flower would listen on 0.0.0.0")
    assert len(done.stderr.strip().splitlines()) == 1
