"""Pinned host keys of SSH servers, as public keys or as SHA256 fingerprints."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

_ALGORITHMS: dict[str, tuple[str, ...]] = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}
"""Type of a key → the algorithms with which a server proves that it has it; SHA-1 is not among them."""
_PREFIX = "SHA256:"


@dataclass(frozen=True, slots=True)
class PinnedKey:
    fingerprint: str
    key_type: str | None


def pinned_keys(text: str) -> list[PinnedKey]:
    """One key per line: `ssh-ed25519 AAAA…`, the same with a host before it (known_hosts), or `SHA256:…`.

    Raises:
        ValueError: with a sentence.
    """
    keys = [_pinned(line.split()) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not keys:
        raise ValueError("the host key is missing; ssh-keyscan prints it")
    return keys


def fingerprint_of(key: bytes) -> str:
    return _PREFIX + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def offers(keys: Sequence[PinnedKey]) -> list[tuple[str, ...]]:
    """Which algorithms to offer, one connection after the other.

    A server shows the one key whose algorithm it likes best, so only those of the pinned types may be offered. A
    fingerprint does not say its type: then each type is asked for in turn.
    """
    if all(key.key_type for key in keys):
        return [tuple(name for key in keys for name in _ALGORITHMS[str(key.key_type)])]
    return list(_ALGORITHMS.values())


def _pinned(words: list[str]) -> PinnedKey:
    if words[0].startswith(_PREFIX):
        if len(_decoded(words[0].removeprefix(_PREFIX))) != hashlib.sha256().digest_size:
            raise ValueError("the fingerprint of the host key is not a SHA256 one")
        return PinnedKey(words[0].rstrip("="), None)
    if len(words) > 2 and words[0] not in _ALGORITHMS:
        words = words[1:]
    if len(words) < 2 or words[0] not in _ALGORITHMS:
        raise ValueError("the host key must look like ssh-ed25519 AAAA… or SHA256:…")
    key = _decoded(words[1])
    if not key.startswith(len(words[0]).to_bytes(4, "big") + words[0].encode()):
        raise ValueError("the host key is not complete, or not of the type that stands before it")
    return PinnedKey(fingerprint_of(key), words[0])


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as error:
        raise ValueError("the host key is not base64") from error


def _are_host_keys(text: str) -> str:
    pinned_keys(text)
    return text


HostKeys = Annotated[str, StringConstraints(max_length=20_000), AfterValidator(_are_host_keys)]
