"""Buckets, for the tests of the S3 deliverer."""

from __future__ import annotations

import contextlib
from typing import Any

from pydantic import SecretStr

from deliverers.s3 import S3Config, S3Deliverer
from tests.plugins.deliverer_contract import SECRET
from tests.services.s3_server import ACCESS_KEY, SECRET_KEY, S3Server


def deliverer(**values: Any) -> S3Deliverer:
    login = {"access_key_id": ACCESS_KEY, "secret_access_key": SecretStr(SECRET_KEY), "bucket": "reports"}
    return S3Deliverer(S3Config(**{**login, **values}))


class Bucket:
    """A bucket of its own on a server, read with boto3."""

    def __init__(self, server: S3Server) -> None:
        assert SECRET_KEY == SECRET
        self.server = server
        self.name = server.new_bucket()

    def deliverer(self, **changes: Any) -> S3Deliverer:
        return deliverer(bucket=self.name, endpoint_url=self.server.url, **changes)

    def ask(self, operation: str, **arguments: Any) -> Any:
        return getattr(self.server.client, operation)(Bucket=self.name, **arguments)

    def files(self) -> dict[str, bytes]:
        found = {}
        for item in self.ask("list_objects_v2").get("Contents", []):
            with self.ask("get_object", Key=item["Key"])["Body"] as body:
                found[item["Key"].rpartition("/")[2]] = body.read()
        return found

    def keys(self) -> list[str]:
        return [item["Key"] for item in self.ask("list_objects_v2").get("Contents", [])]

    def everything(self) -> Any:
        found = {item["Key"]: item["ETag"] for item in self.ask("list_objects_v2").get("Contents", [])}
        return found, self.unfinished()

    def unfinished(self) -> list[str]:
        with contextlib.suppress(self.server.client.exceptions.ClientError):  # rclone does not list them
            return [upload["Key"] for upload in self.ask("list_multipart_uploads").get("Uploads", [])]
        return []
