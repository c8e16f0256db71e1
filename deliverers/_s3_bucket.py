"""Objects of one bucket: looked at, and put with checksums; large ones in parts, of which one is in memory."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from deliverers._s3_config import S3Config
from deliverers._s3_errors import code_of, status_of
from deliverers._sources import pieces
from shared.plugins import ArtifactFile, Control

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

PART = 8 << 20
_MOST_PARTS = 10_000
KEY, EXECUTION, SHA256, ROWS = "report-hub-key", "report-hub-execution", "report-hub-sha256", "report-hub-rows"


@dataclass(frozen=True, slots=True)
class FoundObject:
    size: int
    metadata: dict[str, str]

    def is_same(self, artifact: ArtifactFile) -> bool:
        return self.size == artifact.size and self.metadata.get(SHA256) == artifact.sha256


class Bucket:
    def __init__(self, client: S3Client, config: S3Config, control: Control) -> None:
        self._client = client
        self._config = config
        self._control = control

    def find(self, key: str) -> FoundObject | None:
        """What is there now; raises the driver's error also when looking is not allowed."""
        from botocore.exceptions import ClientError

        self._control.check()
        try:
            answer = self._client.head_object(Bucket=self._config.bucket, Key=key)
        except ClientError as error:
            if status_of(error) == 404:
                return None
            raise
        return FoundObject(answer["ContentLength"], answer.get("Metadata", {}))

    def put(self, key: str, artifact: ArtifactFile, metadata: dict[str, str], *, if_absent: bool = False) -> bool:
        """Put the whole artifact; False when `if_absent` and somebody else's object is there."""
        from botocore.exceptions import ClientError

        condition = {"IfNoneMatch": "*"} if if_absent else {}
        try:
            self._put(key, artifact, metadata, condition)
        except ClientError as error:
            if if_absent and status_of(error) == 412:
                return False
            if not if_absent or (code_of(error) != "NotImplemented" and status_of(error) != 501):
                raise
            self._put(key, artifact, metadata, {})  # a store that knows no conditions; find() has looked a moment ago
        return True

    def probe(self, key: str) -> None:
        """Begin an upload and abort it: needs the right to write, and leaves nothing, not even an old version."""
        self._control.check()
        upload = self._client.create_multipart_upload(Bucket=self._config.bucket, Key=key, **self._settings())
        self._client.abort_multipart_upload(Bucket=self._config.bucket, Key=key, UploadId=upload["UploadId"])

    def _put(self, key: str, artifact: ArtifactFile, metadata: dict[str, str], condition: dict[str, Any]) -> None:
        place: dict[str, Any] = {"Bucket": self._config.bucket, "Key": key}
        about: dict[str, Any] = {"ContentType": artifact.media_type, "Metadata": metadata, **self._settings()}
        if artifact.size <= PART:
            content = b"".join(pieces(artifact, self._control))
            self._client.put_object(**place, **about, **condition, Body=content, **self._checksum(content))
        else:
            self._put_in_parts(place, artifact, about, condition)

    def _put_in_parts(
        self, place: dict[str, Any], artifact: ArtifactFile, about: dict[str, Any], condition: dict[str, Any]
    ) -> None:
        algorithm: dict[str, Any] = {"ChecksumAlgorithm": "SHA256"} if self._config.checksum == "sha256" else {}
        begun = self._client.create_multipart_upload(**place, **about, **algorithm)
        upload = {**place, "UploadId": begun["UploadId"]}
        try:
            parts: list[CompletedPartTypeDef] = []
            size = max(PART, -(-artifact.size // _MOST_PARTS))
            for number, content in enumerate(pieces(artifact, self._control, size), 1):
                checksum = self._checksum(content)
                answer = self._client.upload_part(**upload, PartNumber=number, Body=content, **checksum)
                part: CompletedPartTypeDef = {"PartNumber": number, "ETag": answer["ETag"]}
                if algorithm:
                    part["ChecksumSHA256"] = checksum["ChecksumSHA256"]
                parts.append(part)
            self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **condition)
        except BaseException:
            # Parts that stay behind cost money. When even this fails, the bucket's lifecycle rule has to do it.
            with contextlib.suppress(Exception):
                self._client.abort_multipart_upload(**upload)
            raise

    def _settings(self) -> dict[str, Any]:
        config = self._config
        chosen = {
            "StorageClass": config.storage_class,
            "ServerSideEncryption": config.server_side_encryption,
            "SSEKMSKeyId": config.kms_key_id,
            "Tagging": urlencode(config.tags) or None,
        }
        return {name: value for name, value in chosen.items() if value is not None}

    def _checksum(self, content: bytes) -> dict[str, Any]:
        if self._config.checksum == "sha256":
            return {"ChecksumSHA256": base64.b64encode(hashlib.sha256(content).digest()).decode()}
        return {"ContentMD5": base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()}
