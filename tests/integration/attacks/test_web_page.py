"""A web page that somebody beside Flower looks at reads nothing, changes nothing, stops nothing."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tasks.local.federation import LocalFederation
from tests.e2e import scenes
from tests.e2e.browser import chromium, find_chromium
from tests.unit.scheduler.story import HOUR

EVIL = "https://evil.example"
SECRET = b"lyon-hospital"
PASSWORD = {"Authorization": f"Basic {base64.b64encode(b'ann:right').decode()}"}
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Served:
    """A real Flower with the page, on loopback."""

    port: int
    federation: LocalFederation

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: bytes | None = None, /, **headers: str) -> Answer:
        """Send a request just as given; an underscore in a header's name is a dash."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            streams = found.get("content-type", "").startswith("text/event-stream")
            return Answer(answer.status, found, b"" if streams else answer.read())
        finally:
            connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalFederation]:
    folder = tmp_path_factory.mktemp("web") / "federation"
    settings = {"FAIRWIND_PAGE_HOSTS": "fed.example.org"}
    with LocalFederation(folder, {}, settings=settings) as started:
        story = scenes.Scene({SECRET.decode(): "FR"}, HOUR)
        story.put_into(started.folder / "home")
        yield started


def serve(federation: LocalFederation, name: str, **env: str) -> Served:
    port = free_port()
    federation._start_celery(name, "flower", f"--port={port}", env=env)
    served = Served(port, federation)

    def answers() -> bool:
        try:
            return served.ask("GET", "/healthcheck").status == 200
        except OSError:
            return False

    federation.wait_for(answers, PATIENCE_S, "Flower")
    return served


@pytest.fixture(scope="module")
def page(federation: LocalFederation) -> Served:
    """Flower as it is on one's own machine: it asks for no password."""
    return serve(federation, "flower")


@pytest.fixture(scope="module")
def guarded(federation: LocalFederation) -> Served:
    """Flower with a password, which a browser adds to whatever it sends there."""
    return serve(federation, "flower-with-password", FLOWER_BASIC_AUTH="ann:right")


def assert_refused(answer: Answer, status: int = 403) -> None:
    """Check that somebody else's page was refused in one line, and can read not even that."""
    assert answer.status == status, answer
    assert SECRET not in answer.body
    assert len(answer.body.decode().splitlines()) == 1
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_the_page_itself_is_served_with_all_it_needs(page: Served) -> None:
    own = {"Origin": page.base, "Sec_Fetch_Site": "same-origin"}
    assert SECRET in page.ask("GET", "/rounds/data", **own).body
    assert page.ask("GET", "/rounds/events", **own).status == 200
    assert page.ask("GET", "/rounds").status == 200
    assert page.ask("GET", "/workers").status == 200


@pytest.mark.parametrize("path", ["/rounds", "/rounds/data", "/rounds/events", "/metrics", "/"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:5555", "192.0.2.1"])
def test_a_foreign_host_header_is_not_served(page: Served, path: str, host: str) -> None:
    assert_refused(page.ask("GET", path, Host=host), 421)


def test_a_rebound_name_reads_and_changes_nothing(page: Served) -> None:
    name = "rebound.evil.example"
    own = {"Host": name, "Origin": f"http://{name}", "Sec_Fetch_Site": "same-origin"}
    assert_refused(page.ask("GET", "/rounds/data", **own), 421)
    assert_refused(page.ask("POST", "/api/worker/shutdown/coordinator@a", **own), 421)
    assert_refused(page.ask("GET", "/static/js/flower.js", **own), 421)
    assert_refused(page.ask("GET", "/no/such/page", **own), 421)


@pytest.mark.parametrize(
    "path",
    ["/rounds/data", "/rounds/events", "/rounds/runs", "/rounds/api/clients", "/api/workers",
     "/tasks/datatable", "/metrics", "/rounds/static/rounds.js"],
)  # fmt: skip
def test_a_script_of_another_origin_reads_nothing(page: Served, path: str) -> None:
    assert_refused(page.ask("GET", path, Origin=EVIL))
    assert_refused(page.ask("GET", path, Origin="null"))
    assert_refused(page.ask("GET", path, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="cors"))
    assert_refused(page.ask("GET", path, Sec_Fetch_Site="same-site", Sec_Fetch_Mode="cors"))


@pytest.mark.parametrize(
    "path",
    ["/api/worker/shutdown/coordinator@host", "/api/worker/pool/restart/coordinator@host",
     "/api/task/apply/tasks.tick", "/api/task/async-apply/tasks.tick", "/api/task/revoke/some-id",
     "/api/task/send-task/tasks.tick", "/api/worker/queue/add-consumer/coordinator@host"],
)  # fmt: skip
def test_a_form_of_another_page_changes_nothing_though_the_browser_knows_the_password(
    guarded: Served, path: str
) -> None:
    body = json.dumps({"args": []}).encode()
    sent = {"Content_Type": "text/plain", **PASSWORD}
    assert_refused(guarded.ask("POST", path, body, Origin=EVIL, **sent))
    assert_refused(guarded.ask("POST", path, body, Origin="null", **sent))
    assert_refused(guarded.ask("POST", path, body, Sec_Fetch_Site="cross-site", **sent))
    assert_refused(guarded.ask("POST", path, body, Referer=f"{EVIL}/", **sent))
    assert guarded.ask("POST", path, body, Origin=EVIL).status == 403


def test_flowers_own_page_still_controls_workers(guarded: Served) -> None:
    own = {"Origin": guarded.base, "Sec_Fetch_Site": "same-origin", **PASSWORD}
    answer = guarded.ask("POST", "/api/worker/shutdown/coordinator@nowhere", b"", **own)
    assert answer.status == 404
    assert b"Unknown worker" in answer.body
    assert guarded.ask("POST", "/api/worker/shutdown/coordinator@nowhere", b"").status == 401


def test_a_preflight_is_refused_and_allows_no_origin(page: Served) -> None:
    asks = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "x"}
    assert_refused(page.ask("OPTIONS", "/api/worker/shutdown/a", Origin=EVIL, **asks))
    assert_refused(page.ask("OPTIONS", "/rounds/data", Origin=EVIL, **asks))


def test_no_page_is_framed(page: Served) -> None:
    framed = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert_refused(page.ask("GET", "/rounds", Sec_Fetch_Dest="iframe", **framed))
    for path in ("/rounds", "/workers", "/broker", "/no/such/page", "/static/js/flower.js"):
        answer = page.ask("GET", path)
        assert answer.headers["x-frame-options"] == "DENY", path
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], path


def test_every_answer_has_the_headers_that_keep_it_apart(page: Served) -> None:
    for path in ("/rounds", "/rounds/data", "/rounds/static/rounds.js", "/", "/metrics", "/api/x"):
        answer = page.ask("GET", path)
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert answer.headers["referrer-policy"] == "same-origin", path
        assert answer.headers["cross-origin-resource-policy"] == "same-origin", path
        assert "object-src 'none'" in answer.headers["content-security-policy"], path
        assert "server" not in answer.headers, path
    policy = page.ask("GET", "/rounds").headers["content-security-policy"]
    assert "unsafe-inline" not in policy
    cookie = page.ask("GET", "/rounds").headers["set-cookie"]
    assert "SameSite=Strict" in cookie


def test_a_report_is_not_downloaded_by_another_page(page: Served) -> None:
    for dest in ("empty", "iframe", "image", "object"):
        sent = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": dest}
        assert_refused(page.ask("GET", "/rounds/api/rounds", **sent))
        assert_refused(page.ask("GET", "/rounds/comparison?first=a&second=b", **sent))


@pytest.mark.parametrize(
    "path",
    ["../handlers.py", "%2e%2e/handlers.py", "..%2f..%2f..%2fcommon/settings/__init__.py",
     "/etc/passwd", "%00", "....//handlers.py"],
)  # fmt: skip
@pytest.mark.parametrize("root", ["/rounds/static/", "/static/"])
def test_no_file_outside_the_static_folder_is_served(page: Served, root: str, path: str) -> None:
    answer = page.ask("GET", root + path)
    assert answer.status in {400, 403, 404}
    assert b"import" not in answer.body
    assert b"root:" not in answer.body


def test_a_huge_query_is_refused_and_flower_goes_on(page: Served) -> None:
    for query in ("?run=" + "a" * 200_000, "?clients=" + "&".join(["a=b"] * 5000)):
        with suppress(http.client.HTTPException, OSError):  # it hangs up on a line that long
            assert page.ask("GET", f"/rounds/data{query}").status >= 400
    assert page.ask("GET", "/healthcheck").status == 200


def test_a_header_is_not_injected(page: Served) -> None:
    for path in (
        "/rounds?run=a%0d%0aSet-Cookie:%20stolen=1",
        "/login?next=%0d%0aSet-Cookie:%20stolen=1",
        "/%0d%0aSet-Cookie:%20stolen=1",
    ):
        assert "stolen" not in str(page.ask("GET", path).headers)


def test_the_proxys_host_is_served_and_its_neighbour_not(guarded: Served) -> None:
    proxied = {"Origin": "https://fed.example.org", "Sec_Fetch_Site": "same-origin", **PASSWORD}
    assert guarded.ask("GET", "/rounds/data", Host="fed.example.org", **proxied).status == 200
    assert guarded.ask("GET", "/rounds/data", **proxied).status == 200
    assert_refused(guarded.ask("GET", "/rounds/data", Host="other.example.org", **proxied), 421)


def test_the_operator_sees_what_was_refused(page: Served) -> None:
    page.ask("GET", "/rounds/data", Host="seen.evil.example")
    log = page.federation.processes.log_path("flower")
    page.federation.wait_for(
        lambda: "seen.evil.example" in log.read_text(), PATIENCE_S, "a line of the log"
    )
    (line,) = [line for line in log.read_text().splitlines() if "seen.evil.example" in line]
    assert "request.refused" in line
    assert "FAIRWIND_PAGE_HOSTS" in line


@pytest.mark.parametrize("value", ["true", "1", "yes", "odd"])
def test_flower_does_not_start_beside_an_open_api(federation: LocalFederation, value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "tasks", "flower", "--port=0",
         "--basic-auth=ann:right"],
        env={**federation.env, "FLOWER_UNAUTHENTICATED_API": value},
        cwd=federation.folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"FLOWER_UNAUTHENTICATED_API={value} ")
    assert "--basic-auth" in line


# --- a real browser ----------------------------------------------------------------------------

TRIES = """<!doctype html><title>evil</title><body><script>
const base = %s, paths = ['/rounds/data', '/metrics', '/api/workers', '/rounds'];
const read = [];
async function attempt(name, work) {
  try { read.push([name, await work()]); } catch (error) { read.push([name, null]); }
}
function element(kind, attribute, url) {
  return new Promise((done, fail) => {
    const made = document.createElement(kind);
    made.onload = () => done(`${kind} loaded`);
    made.onerror = () => fail();
    made[attribute] = url;
    document.body.append(made);
  });
}
function inFrame(url) {
  return new Promise((done) => {
    const frame = document.createElement('iframe');
    frame.onload = () => {
      try { done(frame.contentDocument ? frame.contentDocument.body.innerText : null); }
      catch (error) { done(null); }
    };
    frame.src = url;
    document.body.append(frame);
  });
}
function stream(url) {
  return new Promise((done, fail) => {
    const source = new EventSource(url);
    source.onmessage = (event) => done(event.data);
    source.onerror = () => { source.close(); fail(); };
  });
}
(async () => {
  for (const path of paths) {
    await attempt(`fetch ${path}`, async () => (await fetch(base + path)).text());
    await attempt(`credentials ${path}`,
      async () => (await fetch(base + path, { credentials: 'include' })).text());
    await attempt(`frame ${path}`, () => inFrame(base + path));
  }
  await attempt('post', async () => (await fetch(base + '/api/worker/shutdown/a',
    { method: 'POST', body: 'x', headers: { 'Content-Type': 'text/plain' } })).text());
  await attempt('json', async () => (await fetch(base + '/api/task/apply/tasks.tick',
    { method: 'POST', body: '{}', headers: { 'Content-Type': 'application/json' } })).text());
  await attempt('script', () => element('script', 'src', base + '/rounds/static/rounds.js'));
  await attempt('img', () => element('img', 'src', base + '/static/favicon.ico'));
  await attempt('stream', () => stream(base + '/rounds/events'));
  const form = document.createElement('form');
  form.method = 'post'; form.action = base + '/api/worker/shutdown/a';
  form.target = 'sink'; form.enctype = 'text/plain';
  const sink = document.createElement('iframe');
  sink.name = 'sink';
  document.body.append(sink, form);
  form.submit();
  document.title = 'done';
  window.read = read;
})();
</script>"""


class Evil(BaseHTTPRequestHandler):
    """Serves the page of the other origin."""

    target = ""

    def do_GET(self) -> None:
        body = (TRIES % json.dumps(self.target)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.mark.skipif(find_chromium() is None, reason="NO PAGE ATTACKED IT: Chromium is missing")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_page_of_another_origin_reads_nothing_in_a_real_browser(
    page: Served, tmp_path: Path, host: str
) -> None:
    evil = ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    Evil.target = page.base
    Thread(target=evil.serve_forever, daemon=True).start()
    try:
        with chromium(tmp_path / "profile") as tab:
            tab.open(f"http://{host}:{evil.server_address[1]}/")
            tab.wait_for("document.title === 'done' && window.read", PATIENCE_S)
            read = dict(tab.evaluate("window.read"))
    finally:
        evil.shutdown()
        evil.server_close()
    assert len(read) == 17
    assert {name: what for name, what in read.items() if what} == {}
    assert page.ask("GET", "/healthcheck").status == 200
    page.federation.processes.check()
