"""Settings of the coordinator's carbon signals, gates and accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode

from common.settings.comma_list import split
from common.settings.duration import Hours, Minutes, Seconds

Source = Literal["typical_day", "trace", "static", "electricity_maps", "watttime", "neso"]
"""The sources of carbon intensities there are; `scheduler.carbon` makes them."""

Chain = Annotated[tuple[Source, ...], NoDecode, BeforeValidator(split), Field(min_length=1)]
"""Sources, best first: the next one is used where those before it do not answer."""


class SignalSettings(BaseSettings):
    """Where carbon intensities come from."""

    signal: Chain = Field(
        default=("typical_day",),
        description="where carbon intensities come from: one name, or several, best first",
    )
    signal_by_zone: dict[str, Chain] = Field(
        default_factory=dict, description='other sources for some zones: {"GB": "neso,static"}'
    )
    trace_path: Path | None = Field(
        default=None, description="the CSV file, or the folder of them, that the trace signal reads"
    )
    trace_scope: Literal["lifecycle", "direct"] = Field(
        default="lifecycle",
        description="emission factors of the trace; Electricity Maps' own CSV has both",
    )
    static_gco2eq_per_kwh: dict[str, float] = Field(
        default_factory=dict, description='intensities of the static signal: {"FR": 56}'
    )
    zone_coordinates: dict[str, tuple[float, float]] = Field(
        default_factory=dict,
        description='places of zones unknown to a provider, degrees N and E: {"X": [48.1, 11.6]}',
    )
    refresh_s: Seconds = Field(
        default=300.0, gt=0, description="live signals are refreshed this often"
    )
    stale_h: Hours = Field(
        default=6.0,
        ge=0,
        description="the last figure of a live signal that stopped answering is used for this long",
    )
    settle_s: Seconds = Field(
        default=3600.0, gt=0, description="past work is settled, and sites get advice, this often"
    )

    electricity_maps_key: SecretStr | None = Field(
        default=None, description="Electricity Maps: the auth-token"
    )
    electricity_maps_url: str = Field(
        default="https://api.electricitymaps.com/v4", description="Electricity Maps: v4, or .../v3"
    )
    electricity_maps_scope: Literal["lifecycle", "direct"] = Field(
        default="lifecycle", description="Electricity Maps: which emission factors"
    )
    electricity_maps_per_hour: int = Field(
        default=50,
        ge=1,
        description="Electricity Maps: requests an hour at most; what your plan allows",
    )
    watttime_user: str | None = Field(default=None, description="WattTime: user name")
    watttime_password: SecretStr | None = Field(default=None, description="WattTime: password")
    watttime_url: str = Field(default="https://api.watttime.org", description="WattTime: address")
    watttime_regions: dict[str, str] = Field(
        default_factory=dict,
        description='WattTime: regions of zones, else by place: {"US-CAL-CISO": "CAISO_NORTH"}',
    )
    watttime_per_hour: int = Field(
        default=3600, ge=1, description="WattTime: requests an hour at most"
    )
    neso_url: str = Field(
        default="https://api.carbonintensity.org.uk", description="NESO Carbon Intensity: address"
    )
    neso_per_hour: int = Field(default=120, ge=1, description="NESO: requests an hour at most")


class GateSettings(BaseSettings):
    """When a client's gate opens, and how clients are compared."""

    threshold_gco2eq_per_kwh: float = Field(
        default=200.0, ge=0, description="a gate opens at or below this intensity"
    )
    ceiling_gco2eq_per_kwh: float = Field(
        default=1000.0, ge=0, description="no gate opens above this, exceptions included"
    )
    patience_h: Hours = Field(
        default=72.0,
        gt=0,
        description="a client whose gate stayed closed for longer may train once",
    )
    dwell_min: Minutes = Field(
        default=30.0, ge=0, description="a gate keeps its state at least this long"
    )
    unknown_grid: Literal["wait", "patience"] = Field(
        default="wait",
        description="whether a client of an unknown grid waits, or may train once after patience_h",
    )
    valid_h: Hours = Field(
        default=1.0, gt=0, description="training must begin within this after the assignment"
    )
    score_weights: dict[str, float] = Field(
        default_factory=dict,
        description='weights of parts of the score: {"latency": 0}; the others keep their defaults',
    )
    network_kwh_per_gb: float = Field(
        default=0.001,
        ge=0,
        description="electricity of the network, for each GB in either direction",
    )
