"""What training cost in Wh: measured where this machine can, modelled and labelled elsewhere."""

from __future__ import annotations

from common.log import get_logger
from common.settings import Settings
from models.energy.meter import Meter
from models.energy.source_choice import choose_sources

_log = get_logger(__name__)


def make_meter(site: Settings) -> Meter:
    """Return the meter of this process, and log what it reads.

    To be called once per process, after it was forked: the driver of a GPU does not follow a fork.

    Args:
        site: Which meters it wants, their constants, its PUE, idle power and embodied emissions.
    """
    choice = choose_sources(site)
    for problem in choice.problems:
        _log.warning("meter.not_read", reason=problem)
    _log.info("meter.chosen", sources=choice.names)
    return Meter(choice.sources, site)
