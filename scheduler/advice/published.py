"""The assumptions of advice and their publications: all figures from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Published:
    """A published share of energy that a change saves, from 0 to 1, and where it stands.

    Attributes:
        share: What is assumed.
        high_share: The most that was seen; the same as `share` where no range was published.
        source: Authors, title, venue and year.
    """

    share: float
    high_share: float
    source: str


POWER_CAP = Published(
    share=0.15,
    high_share=0.15,
    source=(
        'McDonald et al., "Great Power, Great Responsibility", Findings of NAACL 2022, '
        "arXiv 2205.09646: 15 % with a language model on capped GPUs"
    ),
)

BATCH_SIZE = Published(
    share=0.153,
    high_share=0.758,
    source=(
        'You, Chung and Chowdhury, "Zeus", NSDI 2023: 15.3 to 75.8 % with batch size and power '
        "limit chosen together; the least is assumed"
    ),
)

MIXED_PRECISION = Published(
    share=0.0,
    high_share=1 - 1 / 1.9,
    source=(
        'Dörrich, Fan and Kist, "Impact of Mixed Precision Techniques", IEEE Access 11, 2023: up '
        "to 1.9 times as fast"
    ),
)

EIGHT_BITS = Published(
    share=0.75,
    high_share=0.75,
    source=(
        "8 bits instead of 32 are a quarter of the bytes; that training bears it: Reisizadeh et "
        'al., "FedPAQ", AISTATS 2020'
    ),
)

REACHABLE_PUE = 1.2
PUE_SOURCE = (
    "Cloud Carbon Footprint, methodology: large clouds report 1.1 to 1.19; the mean of data "
    "centres is 1.56 (Uptime Institute, survey of 2024)"
)
