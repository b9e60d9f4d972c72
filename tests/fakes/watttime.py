"""A fake WattTime v3."""

from __future__ import annotations

import base64
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.fakes.grid import expected_gco2eq_per_kwh, gco2eq_per_kwh
from tests.fakes.server import HTML_403, Fake, Reply, Request, local_time, serve

USER, PASSWORD = "freddo", "wt-secret-password"
STEP = timedelta(minutes=5)
LB_PER_MWH_PER_G_PER_KWH = 1 / 0.45359237
TOKEN_FOR = timedelta(minutes=30)


class FakeWattTime(Fake):
    """Answers for every region but NOWHERE, and FORBIDDEN, which is not in the plan.

    Also misbehaves as: "null_intensity", "implausible", "wrong_zone", "gaps" (leaves out `value`
    points from the third on), "naive", "offset", "percentile", "other_units", "revoked" (the token
    is good no longer), "warned".
    """

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.tokens: dict[str, datetime] = {}
        self._numbers = itertools.count(1)

    def handle(self, request: Request) -> Any:
        if any(r.how == "revoked" and r.times != 0 for r in self._rules):
            self.behave()
            self.tokens.clear()
        return super().handle(request)

    def respond(self, request: Request) -> Reply:
        said = request.headers.get("authorization", "")
        if request.path == "/login":
            basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            if said != f"Basic {basic}":
                return Reply(HTML_403, 403)
            token = f"wt-secret-token-{next(self._numbers)}"
            self.tokens[token] = request.now + TOKEN_FOR
            return Reply({"token": token})
        until = self.tokens.get(said.removeprefix("Bearer "))
        if until is None or request.now >= until:
            return Reply(HTML_403, 401)
        if request.query["signal_type"] != "co2_moer":
            return Reply({"error": "INVALID_QUERY_PARAMS", "msg": "no such signal"}, 400)
        if request.path == "/v3/region-from-loc":
            return _region(request.query)
        return self._series(request)

    def _series(self, request: Request) -> Reply:
        region = request.query["region"]
        if region == "FORBIDDEN":
            text = "Invalid scope. You do not have sufficient access to this resource."
            return Reply({"error": "Invalid query parameters", "message": text}, 403)
        if region == "NOWHERE":
            return Reply({"detail": [{"loc": ["query", "region"], "msg": "unknown region"}]}, 422)
        now = request.now.replace(second=0, microsecond=0)
        now -= timedelta(minutes=now.minute % 5)
        if request.path == "/v3/forecast":
            count = max(1, int(request.query["horizon_hours"]) * 12)
            points = [_point(region, now + STEP * n, expected=True) for n in range(count)]
        else:
            start, end = (datetime.fromisoformat(request.query[name]) for name in ("start", "end"))
            start += (datetime(1970, 1, 1, tzinfo=UTC) - start) % STEP
            count = (min(end, now) - start) // STEP + 1
            points = [_point(region, start + STEP * n, expected=False) for n in range(count)]
        return Reply({"data": points, "meta": _meta(region, request.now)})

    def spoil(self, body: Any, how: str, value: str) -> Any:
        points, meta = body.get("data", []), body.get("meta", {})
        for point in points[2:3]:
            if how == "null_intensity":
                point["value"] = None
            elif how == "implausible":
                point["value"] = float(value or "-3")
        for point in points:
            at = datetime.fromisoformat(point["point_time"])
            if how == "naive":
                point["point_time"] = f"{at:%Y-%m-%dT%H:%M:%S}"
            elif how == "offset":
                point["point_time"] = local_time(at)
        if how == "gaps":
            del points[2 : 2 + int(value)]
        meta.update(
            {
                "wrong_zone": {"region": "PSCO"},
                "percentile": {"units": "percentile"},
                "other_units": {"units": "kg_co2_per_mwh"},
                "warned": {"warnings": [{"type": "EXAMPLE_WARNING", "message": "an example"}]},
            }.get(how, {})
        )
        return body


def _region(query: dict[str, str]) -> Reply:
    if query["latitude"] == "0.0":
        text = "No coverage available for these coordinates and signal_type"
        return Reply({"error": text, "latitude": "0", "signal_type": "co2_moer"}, 404)
    region = {"region": "PSCO", "region_full_name": "Public Service Co of Colorado"}
    return Reply({**region, "signal_type": "co2_moer"})


def _point(region: str, at: datetime, *, expected: bool) -> dict[str, Any]:
    g = expected_gco2eq_per_kwh(region, at) if expected else gco2eq_per_kwh(region, at)
    return {"point_time": at.astimezone(UTC).isoformat(), "value": g * LB_PER_MWH_PER_G_PER_KWH}


def _meta(region: str, now: datetime) -> dict[str, Any]:
    return {
        "data_point_period_seconds": 300,
        "region": region,
        "warnings": [],
        "signal_type": "co2_moer",
        "model": {"date": "2023-03-01"},
        "units": "lbs_co2_per_mwh",
        "generated_at_period_seconds": 300,
        "generated_at": now.astimezone(UTC).isoformat(),
    }


if __name__ == "__main__":
    serve(FakeWattTime)
