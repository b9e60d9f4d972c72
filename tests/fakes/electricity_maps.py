"""A fake Electricity Maps, v3 and v4."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.fakes.grid import expected_gco2eq_per_kwh, gco2eq_per_kwh
from tests.fakes.server import Fake, Reply, Request, local_time, serve

KEY = "em-secret-key-0123456789"
ZONES = ("DE", "DK-DK1", "ES", "FR", "GB", "NO-NO1", "PL", "US-CAL-CISO")
HOUR = timedelta(hours=1)


class FakeElectricityMaps(Fake):
    """Answers for `zones`; without `forecast` as the free plan does.

    Also misbehaves as: "null_intensity", "implausible", "sandbox", "disclaimer", "wrong_zone",
    "gaps" (leaves out `value` slots from the third on), "naive", "offset", "shuffled",
    "other_scope", "wrapped" (/zones), "array" (by its other name), "daily".
    """

    def __init__(self, *, zones: Sequence[str] = ZONES, forecast: bool = True, **more: Any) -> None:
        super().__init__(**more)
        self.zones = zones
        self.forecast = forecast

    def respond(self, request: Request) -> Reply:
        path = request.path.removeprefix("/v4").removeprefix("/v3")
        if path == "/zones":
            access = ["carbon-intensity/latest", "carbon-intensity/history"]
            allowed = ["*"] if self.forecast else access
            return Reply({zone: {"zoneName": zone, "access": allowed} for zone in self.zones})
        if request.headers.get("auth-token") != KEY:
            return Reply({"error": "Invalid auth-token"}, 401)
        zone = request.query.get("zone") or ("DE" if "lat" in request.query else "")
        if zone not in self.zones:
            return Reply({"status": "error", "message": f"Zone {zone!r} does not exist"}, 400)
        question = path.rsplit("/", 1)[-1]
        if question in ("forecast", "past-range") and not self.forecast:
            return Reply(b"Access denied", 403)
        return self._series(question, zone, request)

    def _series(self, question: str, zone: str, request: Request) -> Reply:
        hour = request.now.replace(minute=0, second=0, microsecond=0)
        scope = request.query["emissionFactorType"]
        row: Callable[[datetime], dict[str, Any]] = lambda at: _row(zone, at, hour, scope)  # noqa: E731
        if question == "latest":
            return Reply(row(hour))
        rest = {"zone": zone, "temporalGranularity": "hourly"}
        if question == "history":
            return Reply({**rest, "history": [row(hour - HOUR * n) for n in range(23, -1, -1)]})
        if question == "past-range":
            start, end = (datetime.fromisoformat(request.query[name]) for name in ("start", "end"))
            count = min(-((start - end) // HOUR), 240)
            return Reply({**rest, "data": [row(start + HOUR * n) for n in range(count)]})
        points = [
            {"carbonIntensity": expected_gco2eq_per_kwh(zone, at), "datetime": _iso(at)}
            for at in (hour + HOUR * n for n in range(int(request.query["horizonHours"]) + 1))
        ]
        return Reply({**rest, "forecast": points, "updatedAt": _iso(request.now)})

    def spoil(self, body: Any, how: str, value: str) -> Any:  # noqa: C901, PLR0912 - a list of tricks
        if how == "wrapped":
            return {"zones": body}
        if how == "wrong_zone":
            return {**body, "zone": "IN"}
        if how == "disclaimer":
            return {**body, "_disclaimer": "This data is SANDBOX MODE data"}
        if how == "daily":
            return {**body, "temporalGranularity": "daily"}
        name = next((one for one in ("history", "data", "forecast") if one in body), None)
        if how == "array" and name:
            return {("data" if key == name else key): part for key, part in body.items()}
        rows = body[name] if name else [body]
        third = rows[2:3] or rows
        for row in third:
            if how == "null_intensity":
                row["carbonIntensity"] = None
            elif how == "implausible":
                row["carbonIntensity"] = -3 if not value else float(value)
        for row in rows:
            at = datetime.fromisoformat(row["datetime"])
            if how == "sandbox":
                row["estimationMethod"] = "SANDBOX_MODE_DATA"
            elif how == "naive":
                row["datetime"] = f"{at:%Y-%m-%dT%H:%M:%S}"
            elif how == "offset":
                row["datetime"] = local_time(at)
            elif how == "other_scope":
                row["emissionFactorType"] = "direct"
        if how == "gaps":
            del rows[2 : 2 + int(value)]
        elif how == "shuffled":
            rows.reverse()
            rows.append(dict(rows[0]))
        return body


def _row(zone: str, at: datetime, running: datetime, scope: str) -> dict[str, Any]:
    """Return an hour: estimated while it runs, then measured."""
    estimated = at >= running
    value = expected_gco2eq_per_kwh(zone, at) if estimated else gco2eq_per_kwh(zone, at)
    return {
        "zone": zone,
        "carbonIntensity": value,
        "datetime": _iso(at),
        "updatedAt": _iso(at),
        "emissionFactorType": scope,
        "flowTraced": True,
        "isEstimated": estimated,
        "estimationMethod": "FORECASTS_HIERARCHY" if estimated else None,
    }


def _iso(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000Z"


if __name__ == "__main__":
    serve(FakeElectricityMaps)
