"""The columns of CodeCarbon's ``emissions.csv``, so that what reads it reads our figures.

CodeCarbon 3.3, `codecarbon.output_methods.emissions_data.EmissionsData`: kg, kWh, W and seconds.
https://github.com/mlco2/codecarbon
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC

from common.units import J_PER_WH
from scheduler.accounting.booking import Booking
from scheduler.export.table import Row, Table
from scheduler.federation.run import Run

COLUMNS = (
    "timestamp", "project_name", "run_id", "experiment_id", "duration", "emissions",
    "emissions_rate", "cpu_power", "gpu_power", "ram_power", "cpu_energy", "gpu_energy",
    "ram_energy", "energy_consumed", "water_consumed", "country_name", "country_iso_code",
    "region", "cloud_provider", "cloud_region", "os", "python_version", "codecarbon_version",
    "cpu_count", "cpu_model", "gpu_count", "gpu_model", "longitude", "latitude",
    "ram_total_size", "tracking_mode", "cpu_utilization_percent", "gpu_utilization_percent",
    "ram_utilization_percent", "ram_used_gb", "on_cloud", "pue", "wue",
)  # fmt: skip

_DEVICES = {"cpu": "cpu", "gpu": "gpu", "memory": "ram"}
"""Our devices, and theirs. What a site measures as a whole is in `energy_consumed` alone."""

_PER_K = 1e-3


def emissions_table(run: Run, bookings: Iterable[Booking]) -> Table:
    """Return a row a piece of work whose energy is known, counted in a model or not.

    Emissions are the surest there are: settled, else as booked. A zone stands as the region.
    """
    rows = [row for booking in bookings if (row := _row(run, booking)) is not None]
    return Table(COLUMNS, rows)


def _row(run: Run, booking: Booking) -> Row | None:
    energy, start, end = booking.energy, booking.started_at, booking.ended_at
    if energy is None or start is None or end is None:
        return None
    duration_s, grams = (end - start).total_seconds(), booking.settled_gco2eq
    kg = None if grams is None else grams * _PER_K
    row: Row = {
        "timestamp": end.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "project_name": run.spec.workload,
        "run_id": f"{run.id}/{booking.round}/{booking.client}",
        "experiment_id": run.id,
        "duration": duration_s,
        "emissions": kg,
        "emissions_rate": kg / duration_s if kg is not None and duration_s else None,
        "energy_consumed": energy.energy_wh * _PER_K,
        "region": booking.zone,
        "pue": energy.pue,
    }
    for device, theirs in _DEVICES.items():
        parts = [part.energy_wh for part in energy.parts if part.device == device]
        if parts:
            used_wh = sum(parts) * energy.pue
            row[f"{theirs}_energy"] = used_wh * _PER_K
            row[f"{theirs}_power"] = used_wh * J_PER_WH / duration_s if duration_s else None
    return row
