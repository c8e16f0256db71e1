"""Identifiers: time-ordered UUIDs (RFC 9562, version 7) for executions, random tokens for keys."""

from __future__ import annotations

import os
import re
import time
import uuid

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")


def new_execution_id() -> str:
    """A UUID version 7: 48 bits of Unix milliseconds, then random bits; sorts by time of creation."""
    value = int.from_bytes(os.urandom(16), "big")
    value &= (1 << 80) - 1
    value |= (time.time_ns() // 1_000_000) << 80
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return str(uuid.UUID(int=value))


def request_id_from(header: str | None) -> str:
    """The caller's request id if it is a plain one, else a new one."""
    return header if header and REQUEST_ID.match(header) else uuid.uuid4().hex
