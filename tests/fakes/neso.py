"""A fake Carbon Intensity API of NESO."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.fakes.grid import expected_gco2eq_per_kwh, gco2eq_per_kwh
from tests.fakes.server import Fake, Reply, Request, local_time, serve

SLOT = timedelta(minutes=30)
MIX = {"gas": 40.0, "nuclear": 15.0, "wind": 20.0, "solar": 5.0, "biomass": 8.0, "imports": 12.0}


class FakeNeso(Fake):
    """Answers for the nation, as zone ``GB``, and for regions, as zones ``regionid/1`` to 17.

    Also misbehaves as: "null_intensity", "implausible", "wrong_zone", "gaps" (leaves out `value`
    slots from the third on), "naive", "offset", "listed" (a region in a list).
    """

    def respond(self, request: Request) -> Reply:
        parts = request.path.strip("/").split("/")
        regional = parts[0] == "regional"
        start, until = parts[2:4] if regional else parts[1:3]
        first = datetime.fromisoformat(start)
        last = first + timedelta(hours=48) if until == "fw48h" else datetime.fromisoformat(until)
        if last - first > timedelta(days=14):
            text = "The range must be at most 14 days"
            return Reply({"error": {"code": "400 Bad Request", "message": text}}, 400)
        zone = f"regionid/{parts[5]}" if regional else "GB"
        slots = _slots(zone, first, last, request.now, regional=regional)
        if not regional:
            return Reply({"data": slots})
        region = {"regionid": int(parts[5]), "dnoregion": "", "shortname": "", "data": slots}
        return Reply({"data": region})

    def spoil(self, body: Any, how: str, value: str) -> Any:
        data = body["data"]
        slots = data["data"] if isinstance(data, dict) else data
        for slot in slots[2:3]:
            if how in ("null_intensity", "implausible"):
                wrong = None if how == "null_intensity" else float(value or "-3")
                slot["intensity"] = {"forecast": wrong, "index": "low"}
        for slot in slots:
            for name in ("from", "to"):
                at = datetime.fromisoformat(slot[name])
                if how == "naive":
                    slot[name] = f"{at:%Y-%m-%dT%H:%M}"
                elif how == "offset":
                    slot[name] = local_time(at)
        if how == "gaps":
            del slots[2 : 2 + int(value)]
        elif how == "wrong_zone" and isinstance(data, dict):
            data["regionid"] = 15
        elif how == "listed":
            body["data"] = [data]
        return body


def _slots(
    zone: str, first: datetime, last: datetime, now: datetime, *, regional: bool
) -> list[dict[str, Any]]:
    """Return the half hours that touch `[first, last]`, both ends included as the API does."""
    start = first - timedelta(minutes=first.minute % 30)
    start -= SLOT if start == first else timedelta(0)
    slots = []
    while start <= last:
        slots.append(_slot(zone, start, now, regional=regional))
        start += SLOT
    return slots


def _slot(zone: str, start: datetime, now: datetime, *, regional: bool) -> dict[str, Any]:
    intensity: dict[str, Any] = {"forecast": expected_gco2eq_per_kwh(zone, start), "index": "low"}
    slot = {"from": _minute(start), "to": _minute(start + SLOT), "intensity": intensity}
    if regional:
        mix = [{"fuel": fuel, "perc": share} for fuel, share in MIX.items()]
        return {**slot, "generationmix": mix}
    # Of the last two slots there is no actual value yet.
    known = start + 3 * SLOT <= now
    intensity["actual"] = gco2eq_per_kwh(zone, start) if known else None
    return slot


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


if __name__ == "__main__":
    serve(FakeNeso)
