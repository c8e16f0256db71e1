"""An SFTP server of asyncssh in a thread of this process, with the logins and the faults that a test chooses."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

from tests.services.sftp_server import PASSWORD, USER, new_key

T = TypeVar("T")


@dataclass
class Faults:
    """What the next sessions of the asyncssh server do wrong. `refused` names operations that it does not know."""

    refused: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    full_after: int | None = None
    cut_after: int | None = None
    cut_at_start: bool = False
    hang: bool = False
    flip: bool = False


class _Files(asyncssh.SFTPServer):
    """Shows one folder. Faults are asked for at each call."""

    def __init__(self, channel: Any, server: AsyncsshServer) -> None:
        self._channel_ = channel
        self._faults = server.faults
        self._hanging = server.hanging
        self._written = 0
        self._open = server.open_files
        if self._faults.cut_at_start:
            channel.get_connection().abort()
        super().__init__(channel, chroot=os.fsencode(server.folder))

    def _ask(self, operation: str) -> None:
        if operation in self._faults.refused:
            raise asyncssh.SFTPOpUnsupported("Operation unsupported")
        if operation in self._faults.denied:
            raise asyncssh.SFTPPermissionDenied("Permission denied")

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        self._ask("posix_rename")
        return super().posix_rename(oldpath, newpath)

    def rename(self, oldpath: bytes, newpath: bytes) -> Any:
        self._ask("rename")
        return super().rename(oldpath, newpath)

    def mkdir(self, path: bytes, attrs: Any) -> Any:
        self._ask("mkdir")
        return super().mkdir(path, attrs)

    def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
        self._ask("write" if pflags & asyncssh.FXF_WRITE else "read")
        self._open.append(super().open(path, pflags, attrs))
        return self._open[-1]

    async def write(self, file_obj: Any, offset: int, data: bytes) -> int:
        self._written += len(data)
        if self._faults.hang:
            self._hanging.set()
            await asyncio.sleep(600)
        if self._faults.cut_after is not None and self._written > self._faults.cut_after:
            self._channel_.get_connection().abort()
        if self._faults.full_after is not None and self._written > self._faults.full_after:
            raise asyncssh.SFTPNoSpaceOnFilesystem("No space left on device")
        if self._faults.flip:
            data = bytes([data[0] ^ 1]) + data[1:]
        return int(super().write(file_obj, offset, data))


class AsyncsshServer:
    """Runs in a thread of its own. A test may change `faults`, `methods` and `welcome`; `reset()` undoes it.

    `hanging` is set when a client waits because of Faults.hang.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.client_key = new_key()
        self.host_keys = [asyncssh.generate_private_key(kind) for kind in ("ssh-ed25519", "ecdsa-sha2-nistp256")]
        self.open_files: list[Any] = []
        self.hanging = threading.Event()
        self.logins = 0
        self.reset()
        self._listeners: list[asyncssh.SSHAcceptor] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.port = self.listen(self.host_keys)

    def reset(self) -> None:
        for file in self.open_files:  # also those that a client left open when it vanished
            file.close()
        self.open_files.clear()
        self.faults = Faults()
        self.methods: Sequence[str] = ("password", "publickey")
        self.welcome = [self.client_key.public]
        self.hanging.clear()

    def listen(self, host_keys: Sequence[asyncssh.SSHKey]) -> int:
        """Another port with these host keys."""

        async def start() -> int:
            server = await asyncssh.create_server(
                lambda: _Logins(self),
                "127.0.0.1",
                0,
                server_host_keys=list(host_keys),
                sftp_factory=lambda channel: _Files(channel, self),
                login_timeout=30,
            )
            self._listeners.append(server)
            return int(server.sockets[0].getsockname()[1])

        return self.run(start)

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        async def awaited() -> T:
            return await work()

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result(30)

    def public(self, number: int = 0) -> str:
        return self.host_keys[number].export_public_key().decode().strip()

    def stop(self) -> None:
        async def end() -> None:
            for listener in self._listeners:
                listener.close()
                await listener.wait_closed()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self.run(end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _Logins(asyncssh.SSHServer):
    def __init__(self, server: AsyncsshServer) -> None:
        self._server = server

    def begin_auth(self, username: str) -> bool:
        self._server.logins += 1
        return True

    def password_auth_supported(self) -> bool:
        return "password" in self._server.methods

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)

    def kbdint_auth_supported(self) -> bool:
        return "keyboard-interactive" in self._server.methods

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "", "", "", [("Password:", False)]

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool:
        return username == USER and list(responses) == [PASSWORD]

    def public_key_auth_supported(self) -> bool:
        return "publickey" in self._server.methods

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == USER and key in map(asyncssh.import_public_key, self._server.welcome)
