"""Request bodies: strict JSON, and the types that every body is made of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from shared.errors import BodyTooLarge, InvalidInput, MalformedRequest, UnsupportedBody

_MAX_DEPTH = 64
_MAX_VALUES = 50_000
_MAX_INTEGER = 2**63 - 1
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Body(BaseModel):
    """Base of request bodies: unknown keys and other types are refused, and errors repeat nothing."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)


def _one_line(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("must not contain control or direction characters")
    return value


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_one_line)]
"""One line of text for people, 1 to 200 characters."""

Text = Annotated[str, StringConstraints(max_length=2000)]
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
Version = Annotated[
    int | None, Field(ge=1, le=2**31 - 1, description="The version that you changed; refused with 409 if it is old.")
]


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, counted while it comes in, whatever its Content-Length says.

    Raises:
        MalformedRequest: the Content-Length is no number.
        BodyTooLarge: more than `limit` bytes.
    """
    announced = request.headers.get("content-length", "0")
    if not (announced.isascii() and announced.isdigit()):
        raise MalformedRequest("The Content-Length is not a number.")
    if int(announced[:20]) > limit:
        raise _too_large(limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def check_body(content_type: str | None, body: bytes) -> None:
    """Refuse what is no strict JSON before anything reads it.

    JSON as of RFC 8259, and stricter where readers differ: UTF-8 without a byte order mark, no repeated keys, no NaN
    or Infinity, no integer beyond 64 bits, no NUL, no lone surrogate, at most 64 levels and 50,000 values.

    Raises:
        UnsupportedBody: another content type (415).
        MalformedRequest: not JSON (400).
        InvalidInput: JSON, but with values that cannot be kept (422).
    """
    if not body:
        return
    if (content_type or "").partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedBody("The body must be JSON.", hint="Send it with Content-Type: application/json.")
    _check_values(_parse(body))


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {limit:,} bytes.")


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), parse_constant=_no_constant, object_pairs_hook=_no_repeats)
    except RecursionError:
        raise InvalidInput("The body is nested too deeply.") from None
    except ValueError as error:
        if isinstance(error, _Repeated):
            raise InvalidInput("The body names a key twice.") from None
        raise MalformedRequest("The body is not valid JSON.") from None


class _Repeated(ValueError):
    pass


def _no_constant(_text: str) -> Any:
    raise ValueError("NaN and Infinity are not JSON")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Repeated
    return found


def _check_values(value: Any) -> None:
    for count, (item, depth) in enumerate(_walk(value)):
        if count > _MAX_VALUES or depth > _MAX_DEPTH:
            raise InvalidInput("The body has too many values or too many levels.")
        if isinstance(item, str) and _FORBIDDEN.search(item):
            raise InvalidInput("A text in the body has a NUL or a half surrogate pair, which cannot be kept.")
        if isinstance(item, int) and abs(item) > _MAX_INTEGER:
            raise InvalidInput("A number in the body is beyond 64 bits.", hint="Send it as a text.")
        if isinstance(item, float) and abs(item) == float("inf"):
            raise InvalidInput("A number in the body is too large.")


def _walk(value: Any) -> Iterator[tuple[Any, int]]:
    stack = [(value, 0)]
    while stack:
        item, depth = stack.pop()
        yield item, depth
        if isinstance(item, dict):
            stack += [(part, depth + 1) for pair in item.items() for part in pair]
        elif isinstance(item, list):
            stack += [(part, depth + 1) for part in item]
