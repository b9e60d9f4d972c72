"""The base of everything that crosses a process border."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import AfterValidator, BaseModel, ConfigDict


class Message(BaseModel):
    """Base of everything that crosses a process border."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def without(fault_of: Callable[[str], str | None]) -> AfterValidator:
    """Return the validator of texts that have no fault.

    Args:
        fault_of: Returns what is wrong with a text and what would fit; `None` if nothing is.
    """

    def checked(text: str) -> str:
        fault = fault_of(text)
        if fault is not None:
            raise ValueError(fault)
        return text

    return AfterValidator(checked)
