"""The configuration of the S3 deliverer."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from deliverers._templates import RemoteFolder
from shared.http import WebUrl
from shared.plugins import PluginConfig


def _are_tags(tags: dict[str, str]) -> dict[str, str]:
    for name, value in tags.items():
        if not 1 <= len(name) <= 128 or len(value) > 256 or name.lower().startswith("aws:"):
            raise ValueError("a tag has a name of 1 to 128 and a value of up to 256 characters, and no aws: before it")
        if not all(c.isalnum() or c in " _.:/=+-@" for c in name + value):
            raise ValueError("a tag may have letters, digits, spaces and _ . : / = + - @ only")
    return tags


class S3Config(PluginConfig):
    """Keys are required: those that the server's own machine or environment may have are never used for a tenant."""

    bucket: str = Field(
        title="Bucket",
        description="An existing bucket.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$",
        examples=["acme-reports"],
    )
    prefix: RemoteFolder = Field(
        default="",
        title="Prefix",
        description="Template of what stands before the file name; slashes make folders.",
        examples=["{report}/{date:%Y-%m}"],
        max_length=800,
    )
    region: str = Field(
        default="us-east-1",
        title="Region",
        description="Region of the bucket; many compatible stores take any.",
        pattern=r"^[A-Za-z0-9-]{1,60}$",
        examples=["eu-central-1"],
    )
    access_key_id: str = Field(
        title="Access key id",
        description="Of a user that may put objects into the bucket and abort multipart uploads.",
        pattern=r"^[\x21-\x7e]{1,256}$",
    )
    secret_access_key: SecretStr = Field(title="Secret access key", description="The other half of the access key.")
    session_token: SecretStr | None = Field(
        default=None, title="Session token", description="For temporary access keys only."
    )
    endpoint_url: WebUrl | None = Field(
        default=None,
        title="Endpoint",
        description="Address of a compatible store (MinIO, Ceph, …); without it, AWS.",
        examples=["https://minio.example.com"],
    )
    path_style: bool | None = Field(
        default=None,
        title="Bucket in the path",
        description="Whether the bucket's name stands in the path and not in the host name. Without a choice: yes with "
        "an endpoint, no with AWS.",
    )
    overwrite: Literal["replace", "keep_both", "refuse"] = Field(
        default="replace",
        title="If the name is taken",
        description="replace: the new object takes its place; keep_both: the new one gets a number; refuse: the "
        "delivery is refused. With the last two an identical object counts as arrived, and the user must be able to "
        "read objects.",
    )
    storage_class: str | None = Field(
        default=None,
        title="Storage class",
        description="Default: the store's own.",
        pattern=r"^[A-Z][A-Z0-9_]{0,59}$",
        examples=["STANDARD_IA"],
    )
    server_side_encryption: Literal["AES256", "aws:kms"] | None = Field(
        default=None, title="Encryption at rest", description="Default: what the bucket says."
    )
    kms_key_id: str | None = Field(
        default=None, title="KMS key", description="For aws:kms; default: the account's own key.", max_length=2048
    )
    tags: Annotated[dict[str, str], AfterValidator(_are_tags)] = Field(
        default_factory=dict,
        title="Tags",
        description="Tags of the objects. The execution, the SHA-256 and the row count are in their metadata anyway.",
        max_length=10,
    )
    checksum: Literal["sha256", "md5"] = Field(
        default="sha256",
        title="Checksum",
        description="With which the store checks what it gets; md5 for stores that do not know the newer one.",
    )
    timeout: float = Field(
        default=60, title="Timeout", description="Seconds to connect, and for each silence.", ge=1, le=600
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.kms_key_id is not None and self.server_side_encryption != "aws:kms":
            raise ValueError("kms_key_id needs server_side_encryption aws:kms")
        return self
