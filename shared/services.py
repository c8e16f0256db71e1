"""Calls between our services: signed, with the request id, and with errors that keep their class."""

from __future__ import annotations

from typing import Any

import httpx
import structlog

from shared.auth import ServiceIdentity
from shared.errors import ReportHubError, ServiceUnavailable, error_from_dict


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
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Any:
        """The `data` of the engine's answer.

        Raises:
            ReportHubError: of the class that the engine raised.
            ServiceUnavailable: the engine does not answer.
        """
        headers = {"Authorization": f"Bearer {self._identity.token(self._service, tenant_id)}"}
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        if request_id:
            headers["X-Request-ID"] = str(request_id)
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        extra: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
        try:
            response = self._client.request(method, path, json=body, headers=headers, **extra)
            answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ServiceUnavailable(
                "The execution engine does not answer.", hint="Look at its /ready and its log, then try again."
            ) from error
        if response.is_success:
            return answer["data"]
        raise _remote_error(answer)

    def check(self) -> None:
        """Raise ServiceUnavailable unless the engine is alive."""
        try:
            self._client.get("/health", timeout=2).raise_for_status()
        except httpx.HTTPError as error:
            raise ServiceUnavailable("The execution engine does not answer.") from error

    def close(self) -> None:
        self._client.close()


def _remote_error(answer: Any) -> ReportHubError:
    if not isinstance(answer, dict):
        return ServiceUnavailable("The execution engine gave an answer that cannot be read.")
    return error_from_dict({**answer, "code": answer.get("error")})
