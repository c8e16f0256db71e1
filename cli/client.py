"""The configuration API as the command line sees it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import httpx

from shared.errors import NotFound, ServiceUnavailable, error_from_dict

KEY_VARIABLE = "REPORT_HUB_API_KEY"


class ApiClient:
    """Calls with an API key, or without one.

    Args:
        url: where the configuration API answers.
        key: default: the environment's REPORT_HUB_API_KEY.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        key = key or os.environ.get(KEY_VARIABLE)
        headers = {"X-API-Key": key} if key else {}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=httpx.Timeout(10, read=120), trust_env=False)
        self._url = url

    def __enter__(self) -> ApiClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def call(self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None) -> Any:
        """The `data` of the answer.

        Raises:
            ReportHubError: of the class that the service raised.
            ServiceUnavailable: nothing answers.
        """
        wanted = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            response = self._client.request(method, path, json=body, params=wanted)
            answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ServiceUnavailable(
                f"The configuration API at {self._url} does not answer.",
                hint="Start it with `report-hub serve`, or name another address with --url.",
            ) from error
        if response.is_success:
            return answer["data"]
        raise error_from_dict({**answer, "code": answer.get("error")})

    def id_of(self, collection: str, name_or_id: str) -> int:
        """The id of a definition given by its id or its exact name. Raises NotFound."""
        if name_or_id.isdigit():
            return int(name_or_id)
        found = self.call("GET", f"/api/{collection}", query={"name": name_or_id, "limit": 200})["items"]
        for item in found:
            if item["name"] == name_or_id:
                return int(item["id"])
        raise NotFound(f"There is no {collection.removesuffix('s')} called {name_or_id!r}.")
