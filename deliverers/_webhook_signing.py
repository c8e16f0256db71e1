"""Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, one signature per active secret.

The body is hashed piece by piece before it is sent, so its size costs time and no memory.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass

from deliverers._webhook_body import Body
from shared.errors import DeliveryRefused
from shared.plugins import Control

_PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class BodyFacts:
    length: int
    sha256: bytes
    timestamp: str
    signatures: tuple[bytes, ...]


def is_secret(text: str) -> bool:
    """`whsec_` and the base64 form of 24 to 64 bytes."""
    try:
        return text.startswith(_PREFIX) and 24 <= len(_key(text)) <= 64
    except ValueError:
        return False


def measured(body: Body, secrets: Sequence[str], control: Control) -> BodyFacts:
    """Length, digest and signatures of a body, from reading it once.

    Raises:
        DeliveryRefused: a secret that was kept elsewhere is not one.
    """
    if not all(map(is_secret, secrets)):
        raise DeliveryRefused(
            "The signing secret of this webhook has not the form of one.",
            hint="It is whsec_ followed by the base64 form of 24 to 64 random bytes.",
        )
    timestamp = str(int(time.time()))
    start = f"{body.key}.{timestamp}.".encode()
    signers = [hmac.new(_key(secret), start, hashlib.sha256) for secret in secrets]
    digest, length = hashlib.sha256(), 0
    for piece in body.pieces(control):
        length += len(piece)
        digest.update(piece)
        for signer in signers:
            signer.update(piece)
    return BodyFacts(length, digest.digest(), timestamp, tuple(signer.digest() for signer in signers))


def signed(body: Body, facts: BodyFacts) -> dict[str, str]:
    """The headers that let a receiver know a request again, and know that it is whole and ours."""
    headers = {
        "Idempotency-Key": body.key,
        "Content-Digest": f"sha-256=:{_base64(facts.sha256)}:",
        "webhook-id": body.key,
        "webhook-timestamp": facts.timestamp,
    }
    if facts.signatures:
        headers["webhook-signature"] = " ".join(f"v1,{_base64(signature)}" for signature in facts.signatures)
    return headers


def _key(secret: str) -> bytes:
    encoded = secret.removeprefix(_PREFIX)
    return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
