"""A client's part in a round, as far as its training code may know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LocalPart:
    """Whose work it is, of which round, and what the run hands on.

    Attributes:
        run: The run's id.
        round: From 1.
        client: Whose data.
        partition: Its place among the clients in the order of their enrolment, from 0.
        num_partitions: How many clients were enrolled when the run started, or came since up to
            this one.
        options: The run's options.
        personal: Patterns of the tensors that stay at the site; see `models.personal`.
    """

    run: str = ""
    round: int = 1
    client: str = ""
    partition: int = 0
    num_partitions: int = 1
    options: Mapping[str, bool | int | float | str] = field(default_factory=dict)
    personal: tuple[str, ...] = ()
