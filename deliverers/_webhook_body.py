"""What a webhook sends: the facts about a parcel as JSON, its files, or both as multipart/form-data.

Nothing depends on the moment or on the attempt: a receiver that compares bodies by Idempotency-Key finds them equal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from deliverers._sources import file_name, pieces
from shared.plugins import ArtifactFile, Control, Parcel


@dataclass(frozen=True, slots=True)
class Body:
    """One request. `pieces` gives its bytes, as often as it is called."""

    key: str
    headers: dict[str, str]
    pieces: Callable[[Control], Iterator[bytes]]


def bodies(mode: str, parcel: Parcel) -> list[Body]:
    """One request, or in mode body one per file."""
    if mode == "multipart":
        return [_multipart(parcel)]
    if mode == "notice":
        return [_notice(parcel)]
    numbered = len(parcel.artifacts) > 1
    return [
        _file(parcel, artifact, f"{parcel.key}-{number}" if numbered else parcel.key)
        for number, artifact in enumerate(parcel.artifacts, 1)
    ]


def _facts(parcel: Parcel) -> bytes:
    data: dict[str, Any] = {
        "execution_id": parcel.execution_id,
        "report": parcel.report_name,
        "scheduled_for": parcel.scheduled_for.isoformat(),
        "timezone": parcel.timezone,
        "row_count": parcel.row_count,
        "completeness": parcel.completeness,
        "is_test": parcel.is_test,
        "notes": list(parcel.notes),
        "files": [
            {
                "file_name": file_name(parcel, artifact),
                "format": artifact.format,
                "media_type": artifact.media_type,
                "size": artifact.size,
                "sha256": artifact.sha256,
                "row_count": artifact.row_count,
            }
            for artifact in parcel.artifacts
        ],
    }
    return json.dumps({"type": "report.test" if parcel.is_test else "report.ready", "data": data}).encode()


def _headers(parcel: Parcel, content_type: str) -> dict[str, str]:
    headers = {
        "Content-Type": content_type,
        "Report-Hub-Execution": parcel.execution_id,
        "Report-Hub-Attempt": str(parcel.attempt),
        "Report-Hub-Rows": str(parcel.row_count),
        "Report-Hub-Completeness": parcel.completeness,
    }
    return {**headers, "Report-Hub-Test": "true"} if parcel.is_test else headers


def _notice(parcel: Parcel) -> Body:
    def content(control: Control) -> Iterator[bytes]:
        control.check()
        yield _facts(parcel)

    return Body(parcel.key, _headers(parcel, "application/json"), content)


def _file(parcel: Parcel, artifact: ArtifactFile, key: str) -> Body:
    name = file_name(parcel, artifact)
    plain = "".join(character if 32 <= ord(character) < 127 and character not in '"\\%' else "_" for character in name)
    headers = {
        **_headers(parcel, artifact.media_type),
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
    }
    return Body(key, headers, lambda control: pieces(artifact, control))


def _multipart(parcel: Parcel) -> Body:
    boundary = hashlib.sha256("".join([parcel.key, *(file.sha256 for file in parcel.artifacts)]).encode()).hexdigest()
    opening = f"--{boundary}\r\nContent-Disposition: form-data; name="

    def content(control: Control) -> Iterator[bytes]:
        yield f'{opening}"report"\r\nContent-Type: application/json\r\n\r\n'.encode() + _facts(parcel) + b"\r\n"
        for artifact in parcel.artifacts:
            # Names in UTF-8 with " as %22, as browsers send them; RFC 7578 forbids filename* here.
            name = file_name(parcel, artifact).replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
            yield f'{opening}"file"; filename="{name}"\r\nContent-Type: {artifact.media_type}\r\n\r\n'.encode()
            yield from pieces(artifact, control)
            yield b"\r\n"
        control.check()
        yield f"--{boundary}--\r\n".encode()

    return Body(parcel.key, _headers(parcel, f"multipart/form-data; boundary={boundary}"), content)
