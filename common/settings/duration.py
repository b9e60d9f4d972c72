"""Types of settings that are durations: numbers in the unit of the name, or 2d, 48h, 1h30."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from pydantic import BeforeValidator

from common.duration import in_unit

Seconds = Annotated[float, BeforeValidator(partial(in_unit, unit="s"))]
WholeSeconds = Annotated[int, BeforeValidator(partial(in_unit, unit="s"))]
Minutes = Annotated[float, BeforeValidator(partial(in_unit, unit="min"))]
Hours = Annotated[float, BeforeValidator(partial(in_unit, unit="h"))]
