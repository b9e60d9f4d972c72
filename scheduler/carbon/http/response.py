"""What a provider answered, once it is known to be neither an outage nor "too many requests"."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any


@dataclass(frozen=True, slots=True)
class ProviderResponse:
    """A provider's response to one endpoint.

    Attributes:
        status: HTTP status, 200 to 299 or 400 to 499.
        body: The JSON; `None` if it is ``null``, or an error without JSON. It may repeat a secret.
        text: Begin of the body, on one line, without any secret: fit for an error's text.
        zone: Zone of the request.
        endpoint: Name of the endpoint, as negative caching has it: ``now``, ``past``, ``future``.
    """

    status: int
    body: Any = field(repr=False)
    text: str
    zone: str
    endpoint: str

    @property
    def is_refusal(self) -> bool:
        """Whether the key, or what it was used for, was refused."""
        return self.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

    @property
    def is_error(self) -> bool:
        """Whether it holds no figures; some providers send errors with status 200."""
        return self.status >= HTTPStatus.BAD_REQUEST or (
            isinstance(self.body, dict) and bool(self.body.get("error"))
        )
