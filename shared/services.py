"""Calls between our services: signed, with the request id, and with errors that keep their class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import structlog

from shared.auth import ServiceIdentity
from shared.errors import NotAllowed, NotAuthenticated, ReportHubError, ServiceUnavailable, error_from_dict

REPLAYED = "Idempotent-Replayed"
"""Header of an answer that an earlier request with the same Idempotency-Key has got already."""


@dataclass(frozen=True, slots=True)
class EngineAnswer:
    """`data` of the answer; `is_replayed` when the request had been made before."""

    data: Any
    is_replayed: bool = False


class EngineClient:
    """The execution engine over HTTP.

    Args:
        service: name of the caller, for the engine's audit.
    """

    def __init__(self, address: str, identity: ServiceIdentity, service: str) -> None:
        self._identity = identity
        self._service = service
        self._client = httpx.Client(base_url=address, trust_env=False, timeout=httpx.Timeout(10, read=90))

    def call(
        self,
        method: str,
        path: str,
        tenant_id: int,
        body: Any = None,
        *,
        actor: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Any:
        """The `data` of the engine's answer; see `ask`."""
        answer = self.ask(method, path, tenant_id, body, actor=actor, idempotency_key=idempotency_key, timeout=timeout)
        return answer.data

    def ask(
        self,
        method: str,
        path: str,
        tenant_id: int,
        body: Any = None,
        *,
        actor: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> EngineAnswer:
        """Put a question to the engine.

        Args:
            actor: on whose behalf, for the engine's audit.

        Raises:
            ReportHubError: of the class that the engine raised.
            ServiceUnavailable: the engine does not answer, or not in a form that can be read.
        """
        headers = {"Authorization": f"Bearer {self._identity.token(self._service, tenant_id, actor)}"}
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        if request_id:
            headers["X-Request-ID"] = str(request_id)
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        extra: dict[str, Any] = {} if timeout is None else {"timeout": httpx.Timeout(10, read=timeout)}
        try:
            response = self._client.request(method, path, json=body, headers=headers, **extra)
        except httpx.TimeoutException as error:
            raise ServiceUnavailable(
                "The execution engine did not answer in time.", hint="It may be busy: look at the list of executions."
            ) from error
        except httpx.HTTPError as error:
            raise ServiceUnavailable(
                "The execution engine does not answer.", hint="Look at its /ready and its log, then try again."
            ) from error
        answer = _json_object(response)
        if response.is_success and "data" in answer:
            return EngineAnswer(answer["data"], is_replayed=response.headers.get(REPLAYED) == "true")
        raise _remote_error(answer)

    def check(self) -> None:
        """Raise ServiceUnavailable unless the engine is alive."""
        try:
            self._client.get("/health", timeout=2).raise_for_status()
        except httpx.HTTPError as error:
            raise ServiceUnavailable("The execution engine does not answer.") from error

    def close(self) -> None:
        self._client.close()


def unreadable_answer() -> ServiceUnavailable:
    return ServiceUnavailable(
        "The execution engine gave an answer that cannot be read.",
        hint="Look at what listens at its address, and whether all services have the same version.",
    )


def _json_object(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError as error:
        raise unreadable_answer() from error
    if not isinstance(answer, dict):
        raise unreadable_answer()
    return answer


def _remote_error(answer: dict[str, Any]) -> ReportHubError:
    try:
        found = error_from_dict({**answer, "code": answer["error"]})
    except (KeyError, TypeError, ValueError):
        return unreadable_answer()
    if isinstance(found, (NotAuthenticated, NotAllowed)):
        return ServiceUnavailable(
            "The execution engine does not accept this service.",
            hint="All services need the same REPORT_HUB_SECRET_KEY and clocks that agree within half a minute.",
        )
    return found
