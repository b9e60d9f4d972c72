"""How to reach a provider: its address, and the key that is never shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
from pydantic import SecretStr

from common.errors import SettingError
from scheduler.carbon.http.limits import ProviderAccount


@dataclass(frozen=True, slots=True)
class Access:
    """What one provider's settings come down to.

    Attributes:
        account: Whose limits count; it does not hold the key.
        base_url: Address of the provider.
        headers: Sent with every request.
        secrets: Never appear in any text.

    Raises:
        SettingError: If a key cannot stand in a header.
    """

    account: ProviderAccount
    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if not all(text.isascii() and text.isprintable() for text in self.headers.values()):
            msg = (
                f"The key of {self.account.provider} holds characters that no key has, so nothing "
                f"was started. Copy it again, as one line."
            )
            raise SettingError(msg)


def required(value: SecretStr | str | None, provider: str, setting: str) -> str:
    """Return a setting that a provider requires.

    Raises:
        SettingError: If it is not set, or empty.
    """
    text = value.get_secret_value() if isinstance(value, SecretStr) else value or ""
    if not text.strip():
        msg = (
            f"FAIRWIND_SIGNAL names {provider}, but {setting} is not set, so nothing was started. "
            f"Set it, or name another signal; see docs/carbon-providers.md for how to get a key."
        )
        raise SettingError(msg)
    return text.strip()


def address(url: str, setting: str) -> str:
    """Return the address of a provider.

    Raises:
        SettingError: If it is none.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.userinfo:
        msg = (
            f"{setting} is not an address, so nothing was started. Write it as "
            f"https://host/path, without a user or a password."
        )
        raise SettingError(msg)
    return url
