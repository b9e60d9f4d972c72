"""The provider that the documentation shows works as shown."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from scheduler.carbon.http.fetcher import Fetcher
from scheduler.carbon.providers.neso import REGION_IDS
from tests.fakes.limits import MemoryLimits

NOON = datetime(2022, 7, 19, 14, 10, tzinfo=UTC)
PAGE = (Path(__file__).parents[5] / "docs" / "carbon-providers.md").read_text("utf-8")

# Local offsets and seven digits after the seconds, as that server sends them.
EMISSIONS = [{"location": "eastus", "time": "2022-07-19T16:00:00.0000000+02:00", "rating": 70}]
FORECAST = [
    {
        "location": "northeurope",
        "forecastData": [
            {"timestamp": "2022-07-19T14:00:00+00:00", "duration": 30, "value": 532.5},
            {"timestamp": "2022-07-19T14:30:00+00:00", "duration": 30, "value": 535},
        ],
    }
]


def answer(request: httpx.Request) -> httpx.Response:
    body = FORECAST if "forecasts" in request.url.path else EMISSIONS
    return httpx.Response(200, stream=httpx.ByteStream(json.dumps(body).encode()))


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module that the page shows."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    module = ModuleType("page")
    vars(module)["URL"] = "http://sdk.example"
    monkeypatch.setitem(sys.modules, "page", module)  # pydantic looks it up by its name
    exec(code, vars(module))  # noqa: S102 - our own page
    return module


def ask(page: Any, question: Callable[[Any], Awaitable[Any]]) -> Any:
    fetcher = Fetcher(
        page.access(None),
        provider_limits=MemoryLimits(lambda: NOON),
        now=lambda: NOON,
        transport=httpx.MockTransport(answer),
    )

    async def asked() -> Any:
        return await question(page.CarbonAwareSdk(fetcher, None))

    return asyncio.run(asked())


def test_the_provider_on_the_page_tells_now(page: Any) -> None:
    (reading,) = ask(page, lambda provider: provider.now("eastus"))
    assert (reading.start, reading.gco2eq_per_kwh) == (NOON.replace(minute=0), 70)


def test_the_provider_on_the_page_tells_the_future(page: Any) -> None:
    found = ask(page, lambda provider: provider.future("northeurope"))
    assert [one.gco2eq_per_kwh for one in found] == [532.5, 535]


@pytest.mark.parametrize(("zone", "number"), REGION_IDS.items())
def test_the_page_names_every_region(zone: str, number: int) -> None:
    assert f"`{zone}` ({number})" in PAGE
