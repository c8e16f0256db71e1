"""The configuration of the SFTP deliverer."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from deliverers._host_keys import HostKeys
from deliverers._servers import HostName
from deliverers._templates import RemoteFolder
from shared.plugins import PluginConfig


class SftpConfig(PluginConfig):
    host: HostName = Field(
        title="Host", description="Name or address of the SFTP server.", examples=["files.example.com"]
    )
    port: int = Field(default=22, title="Port", ge=1, le=65535, description="TCP port.")
    username: str = Field(title="User", description="Who logs in.", min_length=1, max_length=255, examples=["reports"])
    password: SecretStr | None = Field(
        default=None, title="Password", description="Of the user; with a private key too, for servers that want both."
    )
    private_key: SecretStr | None = Field(
        default=None, title="Private key", description="Text of the key file (OpenSSH or PEM): Ed25519, ECDSA or RSA."
    )
    passphrase: SecretStr | None = Field(
        default=None, title="Passphrase", description="Of the private key, when it has one."
    )
    host_key: HostKeys = Field(
        title="Host key",
        description="The server's public key (a line of ssh-keyscan) or its SHA256 fingerprint. A server with another "
        "key gets nothing. While the server changes its key, write both, one per line.",
        examples=["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA…", "SHA256:…"],
    )
    folder: RemoteFolder = Field(
        default="",
        title="Folder",
        description="Template of a folder, from the login folder or, with a leading /, from the root.",
        examples=["/in/{report}/{date:%Y-%m}"],
        max_length=1000,
    )
    overwrite: Literal["replace", "keep_both", "refuse"] = Field(
        default="replace",
        title="If the name is taken",
        description="replace: the new file takes its place at once; keep_both: the new one gets a number; "
        "refuse: the delivery is refused. An identical file counts as arrived.",
    )
    create_folder: bool = Field(
        default=False, title="Create the folder", description="Create the folder, and those above, when missing."
    )
    ok_file: bool = Field(
        default=False,
        title="Marker file",
        description="Write <name>.ok with the SHA-256 beside each file after it has arrived.",
    )
    read_back: bool = Field(
        default=True,
        title="Read back",
        description="Compare the SHA-256 of what was written. Without it, for folders that can only be written to, the "
        "size must do, and a taken name can only be replaced.",
    )
    timeout: float = Field(
        default=30, title="Timeout", description="Seconds to connect, and for each silence.", ge=1, le=600
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.password is None and self.private_key is None:
            raise ValueError("a password or a private key is missing")
        if not self.read_back and self.overwrite != "replace":
            raise ValueError(f"overwrite {self.overwrite} must be able to read files back")
        return self
