"""SFTP servers: a private OpenSSH (keys only) and asyncssh in this process (passwords, keys, faults)."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.services.databases import free_port

if TYPE_CHECKING:
    from tests.plugins.asyncssh_server import AsyncsshServer

PASSPHRASE = "s3cr3t-Passw0rd"
PASSWORD = "s3cr3t-Passw0rd"
USER = "reports"


@dataclass(frozen=True)
class KeyPair:
    """An Ed25519 key in the forms of OpenSSH; `protected` needs PASSPHRASE."""

    private: str
    protected: str
    public: str


def new_key() -> KeyPair:
    key = ed25519.Ed25519PrivateKey.generate()
    # One round of the key derivation: the many of real keys cost a second per login and prove nothing here.
    lock = PrivateFormat.OpenSSH.encryption_builder().kdf_rounds(1).build(PASSPHRASE.encode())
    return KeyPair(
        key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode(),
        key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, lock).decode(),
        key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(),
    )


@dataclass(frozen=True)
class SftpServer:
    """Where it listens, who may log in, and the folder that it shows as the login folder."""

    port: int
    username: str
    host_key: str
    client_key: KeyPair
    folder: Path
    host: str = "127.0.0.1"


@pytest.fixture(scope="session")
def openssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    binary = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if binary is None:
        reason = "no sshd: install openssh-server"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    home = tmp_path_factory.mktemp("sshd")
    folder = tmp_path_factory.mktemp("sftp")
    host_key, client_key, port = new_key(), new_key(), free_port()
    _write(home / "host_key", host_key.private)
    _write(home / "authorized_keys", client_key.public + "\n")
    _write(
        home / "config",
        f"ListenAddress 127.0.0.1:{port}\nHostKey {home}/host_key\nAuthorizedKeysFile {home}/authorized_keys\n"
        f"PidFile {home}/pid\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n"
        "MaxStartups 100\nLogLevel ERROR\n"
        f"Subsystem sftp internal-sftp -d {folder}\nForceCommand internal-sftp -d {folder}\n",
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([binary, "-D", "-e", "-f", str(home / "config")], stderr=subprocess.DEVNULL)
    _wait_until_it_listens(port, process)
    yield SftpServer(port, getpass.getuser(), host_key.public, client_key, folder)
    process.terminate()
    process.wait(30)


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"sshd ended with code {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.settimeout(5)
            if connection.recv(4) == b"SSH-":
                return
        time.sleep(0.05)
    pytest.fail("sshd does not listen")


@pytest.fixture(scope="session")
def asyncssh_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsyncsshServer]:
    from tests.plugins.asyncssh_server import AsyncsshServer  # the library takes a second to import

    server = AsyncsshServer(tmp_path_factory.mktemp("asyncssh"))
    yield server
    server.stop()


@pytest.fixture
def asyncssh_server(asyncssh_process: AsyncsshServer) -> Iterator[AsyncsshServer]:
    """The session's server, without the faults of the test before."""
    yield asyncssh_process
    asyncssh_process.reset()
