"""Folders on SFTP servers, for the tests of the deliverer."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from deliverers.sftp import SftpConfig, SftpDeliverer
from tests.plugins.asyncssh_server import AsyncsshServer
from tests.plugins.deliverer_contract import SECRET
from tests.services.sftp_server import PASSPHRASE, PASSWORD, USER, SftpServer


def deliverer(**values: Any) -> SftpDeliverer:
    for name in ("password", "private_key", "passphrase"):
        if name in values:
            values[name] = SecretStr(values[name])
    return SftpDeliverer(SftpConfig(host="127.0.0.1", **values))


class RemoteFolder:
    """A folder of its own on a server, seen from the server's side."""

    def __init__(self, root: Path, **config: Any) -> None:
        self.name = f"in-{uuid.uuid4().hex[:8]}"
        self.root = root / self.name
        self.root.mkdir()
        self.config = {"folder": self.name, **config}

    def deliverer(self, **changes: Any) -> SftpDeliverer:
        return deliverer(**{**self.config, **changes})

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.root.iterdir() if not path.name.startswith(".")}

    def everything(self) -> Any:
        return {
            str(path.relative_to(self.root)): (path.stat().st_ino, path.stat().st_mtime_ns)
            for path in self.root.rglob("*")
        }


def openssh_place(server: SftpServer, **changes: Any) -> RemoteFolder:
    assert PASSPHRASE == SECRET
    login = {"private_key": server.client_key.protected, "passphrase": PASSPHRASE}
    return RemoteFolder(
        server.folder,
        **{"port": server.port, "username": server.username, "host_key": server.host_key, **login, **changes},
    )


def asyncssh_place(server: AsyncsshServer) -> RemoteFolder:
    assert PASSWORD == SECRET
    login = {"username": USER, "password": PASSWORD, "host_key": server.public()}
    return RemoteFolder(server.folder, port=server.port, **login)
