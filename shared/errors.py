"""All errors of Report Hub. The class says what may be done about it; the message is one sentence for people.

ReportHubError
├── InvalidInput            422  the caller's data; `details` names each field
│   ├── MalformedRequest    400
│   ├── BodyTooLarge        413
│   └── UnsupportedBody     415
├── NotAuthenticated        401
├── NotAllowed              403
├── NotFound                404
├── Conflict                409
│   └── PreconditionFailed  412  If-Match names an old version
├── TooManyRequests         429
├── ServiceUnavailable      503  a dependency of ours is down: retry later
├── SourceError                  the datasource
│   ├── SourceRejected      422  wrong login, bad SQL, no permission: stop, tell the owner
│   └── SourceUnavailable   502  network down, server busy: retry with backoff
├── ConversionRejected      422  a value or a size that the format cannot hold
├── DeliveryError
│   ├── DeliveryRefused     422  address unknown, 4xx, too big: stop, tell the owner
│   ├── DeliveryUnavailable 502  timeout, 5xx, 429: retry, then dead letter
│   └── DeliveryUnknown     502  it may have arrived: follow the delivery's policy
├── AddressBlocked          422  the outgoing guard: a private or special address
├── MissingDriver           422  the extra is not installed
├── LimitReached            422  rows, time, memory or bytes
└── Cancelled               409  somebody pressed cancel; no failure
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One field that was refused. `field` is the path in the submitted body, dots between steps."""

    field: str
    message: str


class ReportHubError(Exception):
    """Base of all errors that people may see.

    Args:
        message: one sentence that names the thing; never a secret, never a submitted value.
        hint: what to do about it.
        details: the fields concerned.
    """

    code: ClassVar[str] = "INTERNAL_ERROR"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str | None = None, details: Sequence[FieldProblem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = tuple(details)

    def as_dict(self) -> dict[str, Any]:
        """The form sent between processes; `error_from_dict` reads it back."""
        stored: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "retryable": self.retryable,
        }
        if self.details:
            stored["details"] = [{"field": problem.field, "message": problem.message} for problem in self.details]
        for name in ("line", "column"):
            if getattr(self, name, None) is not None:
                stored[name] = getattr(self, name)
        retry_after = getattr(self, "retry_after", None)
        if retry_after is not None:
            stored["retry_after"] = retry_after.total_seconds()
        return stored


class InvalidInput(ReportHubError):
    """The caller's data cannot be used; `details` names each field."""

    code = "VALIDATION_ERROR"
    status = 422


class MalformedRequest(InvalidInput):
    """The request cannot be read: no JSON, no such encoding."""

    code = "MALFORMED_REQUEST"
    status = 400


class BodyTooLarge(InvalidInput):
    """The body is longer than this server takes."""

    code = "BODY_TOO_LARGE"
    status = 413


class UnsupportedBody(InvalidInput):
    """The body is not JSON."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    status = 415


class NotAuthenticated(ReportHubError):
    """No credentials, or none that are valid."""

    code = "NOT_AUTHENTICATED"
    status = 401


class NotAllowed(ReportHubError):
    """The credentials are good, but not for this."""

    code = "NOT_ALLOWED"
    status = 403


class NotFound(ReportHubError):
    """There is no such thing, or it belongs to somebody else."""

    code = "NOT_FOUND"
    status = 404


class Conflict(ReportHubError):
    """`current_version` is set when somebody else changed the row meanwhile."""

    code = "CONFLICT"
    status = 409

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        details: Sequence[FieldProblem] = (),
        current_version: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, details=details)
        self.current_version = current_version


class PreconditionFailed(Conflict):
    code = "PRECONDITION_FAILED"
    status = 412


class TooManyRequests(ReportHubError):
    code = "TOO_MANY_REQUESTS"
    status = 429
    retryable = True

    def __init__(self, message: str, *, retry_after: timedelta, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class ServiceUnavailable(ReportHubError):
    """A part of Report Hub itself does not answer; later it may."""

    code = "SERVICE_UNAVAILABLE"
    status = 503
    retryable = True


class SourceError(ReportHubError):
    """Something about a datasource."""

    code = "SOURCE_ERROR"


class SourceRejected(SourceError):
    """The datasource said no: trying again will not help. `line` and `column` (from 1) locate SQL errors."""

    code = "SOURCE_REJECTED"
    status = 422

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        details: Sequence[FieldProblem] = (),
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, details=details)
        self.line = line
        self.column = column


class QueryRefused(SourceRejected):
    """The query is not one read-only statement; it was never sent."""

    code = "QUERY_REFUSED"


class SourceUnavailable(SourceError):
    """The datasource cannot be reached, or is busy: trying again may help."""

    code = "SOURCE_UNAVAILABLE"
    status = 502
    retryable = True


class ConversionRejected(ReportHubError):
    """A value or a size that the format cannot hold; row and column are named."""

    code = "CONVERSION_REJECTED"
    status = 422


class DeliveryError(ReportHubError):
    """Something about a delivery."""

    code = "DELIVERY_ERROR"


class DeliveryRefused(DeliveryError):
    """The place said no: trying again will not help."""

    code = "DELIVERY_REFUSED"
    status = 422


class DeliveryUnavailable(DeliveryError):
    """It may work later. `retry_after` is what the server asked for, if it did."""

    code = "DELIVERY_UNAVAILABLE"
    status = 502
    retryable = True

    def __init__(self, message: str, *, hint: str | None = None, retry_after: timedelta | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class DeliveryUnknown(DeliveryError):
    """The connection broke after everything was sent and before the answer came."""

    code = "DELIVERY_UNKNOWN"
    status = 502


class AddressBlocked(ReportHubError):
    """The outgoing guard said no: a private, loopback, link-local or metadata address."""

    code = "ADDRESS_BLOCKED"
    status = 422


class MissingDriver(ReportHubError):
    """A plug-in's driver is not installed; the hint is the install line."""

    code = "MISSING_DRIVER"
    status = 422


class LimitReached(ReportHubError):
    """A limit of the report, the tenant or the server. `code` tells which one."""

    code = "LIMIT_REACHED"
    status = 422


class RowLimitReached(LimitReached):
    """The query gives more rows than the report allows."""

    code = "ROW_LIMIT_REACHED"


class TimeLimitReached(LimitReached):
    """The work took longer than it may."""

    code = "TIME_LIMIT_REACHED"


class MemoryLimitReached(LimitReached):
    """The work took more memory than it may; only its own process ended."""

    code = "MEMORY_LIMIT_REACHED"


class SizeLimitReached(LimitReached):
    """A file or an answer is larger than it may be."""

    code = "SIZE_LIMIT_REACHED"


class StorageFull(ReportHubError):
    """The disk of the workspace or of the artifact store is full or not writable."""

    code = "STORAGE_FULL"
    status = 503
    retryable = True


class WorkerLost(ReportHubError):
    """The worker process ended without a word (killed, crashed)."""

    code = "WORKER_LOST"
    retryable = True


class Cancelled(ReportHubError):
    """Somebody pressed cancel; no failure."""

    code = "CANCELLED"
    status = 409


def error_from_dict(stored: Mapping[str, Any]) -> ReportHubError:
    """The error that `as_dict` described: of the class with that code, or a plain ReportHubError."""
    found = _by_code().get(str(stored.get("code")), ReportHubError)
    error = found.__new__(found)
    ReportHubError.__init__(error, str(stored.get("message", "")), hint=stored.get("hint"))
    if isinstance(error, SourceRejected):
        error.line, error.column = stored.get("line"), stored.get("column")
    if isinstance(error, DeliveryUnavailable):
        seconds = stored.get("retry_after")
        error.retry_after = None if seconds is None else timedelta(seconds=seconds)
    if isinstance(error, TooManyRequests):
        error.retry_after = timedelta(seconds=stored.get("retry_after") or 1)
    if isinstance(error, Conflict):
        error.current_version = stored.get("current_version")
    error.details = tuple(FieldProblem(item["field"], item["message"]) for item in stored.get("details") or ())
    return error


@functools.cache
def _by_code() -> dict[str, type[ReportHubError]]:
    def walk(base: type[ReportHubError]) -> Iterator[type[ReportHubError]]:
        for child in base.__subclasses__():
            yield child
            yield from walk(child)

    return {error.code: error for error in walk(ReportHubError)}
