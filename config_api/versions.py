"""Optimistic locking: which version of a definition the caller has read, in the body or as If-Match."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Response

from shared.errors import Conflict, PreconditionFailed

_TAG = re.compile(r'"([0-9]{1,10})"')


@dataclass(frozen=True, slots=True)
class Expected:
    """What the caller thinks is stored.

    Attributes:
        version: from the body or the query string; 409 when it is old.
        tags: versions named by If-Match; 412 when none of them is stored. None: any will do.
    """

    version: int | None = None
    tags: frozenset[int] | None = None

    def check(self, word: str, stored: int) -> None:
        """Raise Conflict or PreconditionFailed, both with the stored version, unless this is it."""
        kind: type[Conflict] | None = None
        if self.tags is not None and stored not in self.tags:
            kind = PreconditionFailed
        elif self.version is not None and self.version != stored:
            kind = Conflict
        if kind is not None:
            raise kind(
                f"Somebody else changed this {word} meanwhile; it is at version {stored}.",
                hint="Read it again, then send your change with its version.",
                current_version=stored,
            )


def _if_match(
    if_match: Annotated[str | None, Header(description='`"<version>"`: refused with 412 if it is old.')] = None,
) -> frozenset[int] | None:
    if if_match is None or if_match.strip() == "*":
        return None
    return frozenset(int(tag) for tag in _TAG.findall(if_match)) if "W/" not in if_match else frozenset()


IfMatch = Annotated[frozenset[int] | None, Depends(_if_match)]


def tagged(response: Response, version: int) -> None:
    """Say in the answer which version it shows."""
    response.headers["ETag"] = f'"{version}"'
