"""What public keys and signatures look like as text; apart from `identity`, which loads more."""

from __future__ import annotations

PUBLIC_KEY_PATTERN = r"^ed25519:[A-Za-z0-9_-]{43}$"
"""A public key: 32 bytes in base64url without padding."""

SHA256_PATTERN = r"^[0-9a-f]{64}$"
"""A SHA-256 in hexadecimal digits."""

SIGNATURE_PATTERN = r"^[A-Za-z0-9_-]{86}$"
"""A signature: 64 bytes in base64url without padding."""
