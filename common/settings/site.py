"""Settings of one site: what it trains, when, and how its energy is measured."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings

from common.bounds import MOST_W
from common.key_patterns import PUBLIC_KEY_PATTERN
from common.settings.comma_list import CommaList
from common.settings.duration import Hours, Seconds

LONGEST_TRAINING_S = 86_400.0
"""A day: longer than trainings usually take, so that one that never ends holds no site for good."""


def _known_device(name: str) -> str:
    if re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", name) is None:
        msg = "it is none of auto, cpu, cuda, cuda:0, cuda:1 and so on, and mps"
        raise ValueError(msg)
    return name


class SiteSettings(BaseSettings):
    """What one site allows and measures."""

    workloads: CommaList = Field(
        default=("digits", "breast_cancer"),
        description="what this process may load: shipped names or import paths",
    )
    coordinator_key: str | None = Field(
        default=None,
        pattern=PUBLIC_KEY_PATTERN,
        description="public key of the coordinator: this site takes work that it signed, no other",
    )
    partition: CommaList = Field(
        default=(), description="client ids among which the shipped workloads split their data"
    )
    threads: int = Field(default=1, ge=1, description="torch threads of one process")
    evaluation_batch_size: int = Field(
        default=256,
        ge=1,
        description="examples in one forward pass of an evaluation: fewer need less memory",
    )
    nice: int = Field(
        default=0, ge=0, le=19, description="how far training yields to other processes; 19: most"
    )
    gpu: str = Field(
        default="auto",
        pattern=r"^(auto|none|[\w-]+(,[\w-]+)*)$",
        description="GPUs that training may use: none, 0 or 0,1 or a UUID; auto: what CUDA offers",
    )
    device: Annotated[str, AfterValidator(_known_device)] = Field(
        default="auto",
        description="where models compute: cpu, cuda, cuda:N, mps; auto: cuda, else cpu",
    )
    site_max_training_s: Seconds = Field(
        default=LONGEST_TRAINING_S,
        gt=0,
        description="this site stops a training after this long",
    )
    site_max_mb_per_day: float | None = Field(
        default=None, ge=0, description="this site sends at most so much of updates in a UTC day"
    )
    site_cache_mb: float = Field(
        default=50_000.0, gt=0, description="frozen parts of models that this site keeps, at most"
    )
    site_ceiling_gco2eq_per_kwh: float | None = Field(
        default=None, ge=0, description="this site declines work above this intensity"
    )
    site_syslog: str | None = Field(
        default=None,
        pattern=r"^(/.+|[^/\s]+:\d{1,5})$",
        description="also copy this site's audit trail to a syslog: /dev/log, or host:port (UDP)",
    )
    site_windows: CommaList = Field(
        default=(), description="this site trains only within these UTC hours, e.g. 22:00-06:00"
    )
    site_policy: Path | None = Field(
        default=None,
        description="file with this site's policy, which wins over its settings; read for each "
        "assignment",
    )
    site_clock: Literal["own", "assigned"] = Field(
        default="own",
        description="grid clock of this site: its own, or, for demonstrations, the one that an "
        "assignment brings",
    )

    meter: Literal["auto", "rapl", "cpu", "constant"] = Field(
        default="auto",
        description="how the energy of processors is found; auto: the best that can be read",
    )
    rapl_path: Path = Field(
        default=Path("/sys/class/powercap"), description="where RAPL's counters are"
    )
    watts_per_core: float = Field(
        default=4.0, gt=0, description="power of a busy core, where no meter can be read"
    )
    constant_w: float = Field(
        default=0.0,
        ge=0,
        description="power of the whole site while it trains, for the constant meter",
    )
    gpu_meter: Literal["auto", "off"] = Field(
        default="auto", description="whether the energy counters of NVIDIA GPUs are read"
    )
    memory_w_per_gb: float = Field(
        default=0.0, ge=0, description="power per GB of memory in use; 0 leaves memory out"
    )
    idle_w: float = Field(
        default=0.0,
        ge=0,
        le=MOST_W,
        description="power of hardware reserved for Fairwind while it waits",
    )
    pue: float = Field(
        default=1.0, ge=1, le=10, description="power usage effectiveness of this site"
    )
    embodied_kgco2eq: float | None = Field(
        default=None, ge=0, description="emissions of making this site's hardware; unset: left out"
    )
    embodied_lifetime_h: Hours = Field(
        default=35_040.0,
        gt=0,
        description="service life of that hardware; the default is four years",
    )
    embodied_share: float = Field(
        default=1.0, gt=0, le=1, description="share of that hardware that is reserved for Fairwind"
    )
