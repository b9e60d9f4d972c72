"""A real browser for tests: headless Chromium, spoken to over its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
from tornado.websocket import WebSocketClientConnection, websocket_connect

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--remote-debugging-port=0",
)  # fmt: skip


def find_chromium() -> str | None:
    """Return the path of Chromium, if there is one."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")


@cache
def _axe() -> str:
    return files("axe_core_python").joinpath("axe.min.js").read_text("utf-8")


class Page:
    """One tab."""

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: WebSocketClientConnection) -> None:
        self._loop = loop
        self._socket = socket
        self._ids = itertools.count(1)
        self.complaints: list[str] = []

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol and return its result."""
        return self._loop.run_until_complete(self._call(method, params))

    async def _call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        number = next(self._ids)
        await self._socket.write_message(
            json.dumps({"id": number, "method": method, "params": params})
        )
        while True:
            message = await asyncio.wait_for(self._socket.read_message(), 30)
            answer = json.loads(message or "{}")
            if answer.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(answer["params"]["exceptionDetails"]["text"])
            if answer.get("id") == number:
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, url: str) -> None:
        """Go to a page."""
        self.call("Runtime.enable")
        self.call("Page.enable")
        self.call("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page, or of what it promises."""
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        return result["result"].get("value")

    def wait_for(self, expression: str, timeout_s: float = 20.0) -> Any:
        """Wait until an expression is truthy, and return it."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if value := self.evaluate(expression):
                return value
            self._loop.run_until_complete(asyncio.sleep(0.1))
        text = self.evaluate("document.body.innerText")
        msg = f"waited {timeout_s:g} s for {expression}; the page says:\n{text}"
        raise TimeoutError(msg)

    def violations(self) -> list[str]:
        """Return what axe-core finds wrong for people with disabilities, one line each."""
        if not self.evaluate("Boolean(window.axe)"):
            self.evaluate(f"{_axe()}; true")
        found: list[str] = self.evaluate(
            "axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations"
            ".flatMap(({id, nodes}) => nodes.map((node) => `${id}: ${node.target.join(' ')}: "
            "${node.failureSummary.split('\\n').slice(1).join(' ')}`)))"
        )
        return found

    def press(self, key: str) -> None:
        """Press and release a key that has a name, such as Tab or ArrowRight."""
        code = {"Tab": 9, "Enter": 13, " ": 32, "ArrowLeft": 37, "ArrowRight": 39}[key]
        text = {"Enter": "\r", " ": " "}.get(key, "")
        for kind in ("keyDown", "keyUp"):
            typed = {"text": text} if text and kind == "keyDown" else {}
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **typed
            )

    def resize(self, *, width: int, height: int, dark: bool = False, media: str = "") -> None:
        """Look through another window, at another theme, or at what would be printed."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme], media=media)
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
            mobile=False,
        )  # fmt: skip
        self._loop.run_until_complete(asyncio.sleep(0.6))

    def screenshot(self, path: Path, *, width: int, height: int, dark: bool = False) -> None:
        """Save what the page looks like."""
        self.resize(width=width, height=height, dark=dark)
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))


@contextmanager
def chromium(folder: Path) -> Iterator[Page]:
    """Start Chromium with a profile of its own in `folder` and open one tab."""
    program = find_chromium()
    assert program is not None
    process = subprocess.Popen(
        [program, *FLAGS, f"--user-data-dir={folder}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    loop = asyncio.new_event_loop()
    try:
        url = _page_socket(folder)
        socket = loop.run_until_complete(_connect(url))
        yield Page(loop, socket)
        loop.run_until_complete(_close(socket))
    finally:
        loop.close()
        process.terminate()
        process.wait(10)


async def _connect(url: str) -> WebSocketClientConnection:
    return await websocket_connect(url, max_message_size=64 << 20)


async def _close(socket: WebSocketClientConnection) -> None:
    # Outside a running loop, tornado would make one of its own and leave it open.
    socket.close()
    await asyncio.sleep(0.1)


def _page_socket(folder: Path) -> str:
    port_file = folder / "DevToolsActivePort"
    until = time.monotonic() + 30
    while not port_file.exists() or not port_file.read_text().strip():
        if time.monotonic() > until:
            msg = "Chromium did not open its DevTools port"
            raise TimeoutError(msg)
        time.sleep(0.05)
    port = port_file.read_text().split()[0]
    targets = httpx.get(f"http://127.0.0.1:{port}/json/list", timeout=10).json()
    url = next(t["webSocketDebuggerUrl"] for t in targets if t["type"] == "page")
    return urllib.parse.urlunsplit(urllib.parse.urlsplit(str(url)))
