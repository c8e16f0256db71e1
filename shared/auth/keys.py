"""API keys: `rh_<8 characters of id>_<43 of secret><6 of checksum>`, shown once, stored hashed.

The prefix lets secret scanners find leaked keys, the checksum (CRC-32 in base 62) rejects typing errors without the
database. The secret has 256 random bits, so SHA-256 is the right hash: nothing can be guessed.
"""

from __future__ import annotations

import hashlib
import secrets
import string
import zlib

_BASE62 = string.digits + string.ascii_letters


def make_key() -> tuple[str, str]:
    """A new key and its prefix (what is stored to find it)."""
    prefix = "rh_" + "".join(secrets.choice(_BASE62) for _ in range(8))
    body = f"{prefix}_" + "".join(secrets.choice(_BASE62) for _ in range(43))
    return body + _checksum(body), prefix


def prefix_of(key: str) -> str | None:
    """The prefix of a well-formed key, None for anything else."""
    parts = key.split("_")
    if len(key) != 61 or len(parts) != 3 or parts[0] != "rh" or len(parts[1]) != 8:
        return None
    return f"rh_{parts[1]}" if secrets.compare_digest(_checksum(key[:-6]).encode(), key[-6:].encode()) else None


def hash_key(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits
