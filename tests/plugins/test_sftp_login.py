"""SFTP: which server is trusted, and how to log in."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import paramiko
import pytest
from pydantic import ValidationError

from deliverers._host_keys import fingerprint_of, pinned_keys
from deliverers.sftp import SftpConfig
from shared.errors import DeliveryRefused
from tests.plugins.asyncssh_server import AsyncsshServer
from tests.plugins.deliverer_contract import SECRET, artifact, control, parcel
from tests.plugins.sftp_places import RemoteFolder, asyncssh_place, deliverer
from tests.services.sftp_server import PASSWORD, USER, new_key

pytestmark = pytest.mark.service


@pytest.fixture
def faulty(asyncssh_server: AsyncsshServer) -> RemoteFolder:
    """A folder on the server whose logins and faults a test chooses."""
    return asyncssh_place(asyncssh_server)


def test_a_changed_host_key_gets_nothing(faulty: RemoteFolder, asyncssh_server: AsyncsshServer, tmp_path: Path) -> None:
    shown = fingerprint_of(asyncssh_server.host_keys[0].public_data)
    logins = asyncssh_server.logins
    for other in (new_key().public, fingerprint_of(b"another key")):
        with pytest.raises(DeliveryRefused, match=r"^Host key: .* nothing was sent") as caught:
            faulty.deliverer(host_key=other).deliver(parcel(artifact(tmp_path)), control())
        assert shown in caught.value.message
    assert asyncssh_server.logins == logins
    assert faulty.everything() == {}


@pytest.mark.parametrize("number", [0, 1], ids=["ed25519", "ecdsa"])
@pytest.mark.parametrize("form", ["key", "known_hosts", "fingerprint"])
def test_each_key_of_the_server_may_be_pinned_in_each_form(
    faulty: RemoteFolder, asyncssh_server: AsyncsshServer, number: int, form: str
) -> None:
    key = asyncssh_server.host_keys[number]
    pinned = {
        "key": asyncssh_server.public(number),
        "known_hosts": f"[127.0.0.1]:{faulty.config['port']} {asyncssh_server.public(number)} a comment",
        "fingerprint": key.get_fingerprint("sha256"),
    }[form]
    assert faulty.deliverer(host_key=pinned).check(control())


def test_an_rsa_host_key_is_proved_without_sha1(faulty: RemoteFolder, asyncssh_server: AsyncsshServer) -> None:
    key = asyncssh.generate_private_key("ssh-rsa")
    port = asyncssh_server.listen([key])
    for pinned in (key.export_public_key().decode(), key.get_fingerprint("sha256")):
        assert faulty.deliverer(host_key=pinned, port=port).check(control())


def test_two_keys_are_pinned_while_the_server_changes_its_key(
    faulty: RemoteFolder, asyncssh_server: AsyncsshServer
) -> None:
    both = f"# the old one\n{new_key().public}\n\n{asyncssh_server.public()}\n"
    assert faulty.deliverer(host_key=both).check(control())


def test_a_key_of_a_type_that_the_server_lacks_is_named(faulty: RemoteFolder) -> None:
    rsa = asyncssh.generate_private_key("ssh-rsa").export_public_key().decode()
    with pytest.raises(DeliveryRefused, match=r"^Host key"):
        faulty.deliverer(host_key=rsa).check(control())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# comment",
        "ssh-ed25519",
        "AAAAC3NzaC1lZDI1NTE5AAAA",
        "ssh-ed25519 not-base64!",
        "ssh-ed25519 AAAAB3NzaC1yc2EAAAADAQABAAAB",
        "ssh-dss AAAAB3NzaC1kc3MAAACB",
        "SHA256:abc",
        "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
    ],
)
def test_what_is_no_host_key_is_refused_when_saved(text: str) -> None:
    with pytest.raises(ValueError, match="host key"):
        pinned_keys(text)


def test_a_key_without_a_passphrase_logs_in(faulty: RemoteFolder, asyncssh_server: AsyncsshServer) -> None:
    config = {name: value for name, value in faulty.config.items() if name != "password"}
    assert deliverer(**config, private_key=asyncssh_server.client_key.private).check(control())


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("ssh-ed25519", "openssh"),
        ("ssh-ed25519", "pkcs8-pem"),
        ("ecdsa-sha2-nistp256", "openssh"),
        ("ecdsa-sha2-nistp521", "pkcs1-pem"),
        ("ecdsa-sha2-nistp384", "pkcs8-pem"),
        ("ssh-rsa", "openssh"),
        ("ssh-rsa", "pkcs1-pem"),
        ("ssh-rsa", "pkcs8-pem"),
    ],
)
def test_private_keys_of_all_usual_forms_log_in(
    faulty: RemoteFolder, asyncssh_server: AsyncsshServer, kind: str, form: str
) -> None:
    key = asyncssh.generate_private_key(kind)
    asyncssh_server.welcome.append(key.export_public_key().decode())
    config = {name: value for name, value in faulty.config.items() if name != "password"}
    for passphrase in ({}, {"passphrase": "not needed"}):
        assert deliverer(**config, private_key=key.export_private_key(form).decode(), **passphrase).check(control())


class TwoProofs(paramiko.ServerInterface):
    """Wants the key first and then the password, and has no SFTP."""

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.AUTH_PARTIALLY_SUCCESSFUL

    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.AUTH_SUCCESSFUL if password == PASSWORD else paramiko.AUTH_FAILED


@pytest.fixture
def two_proofs() -> Iterator[dict[str, Any]]:
    listener = socket.create_server(("127.0.0.1", 0))
    key = paramiko.RSAKey.generate(2048)
    transports = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                transport = paramiko.Transport(listener.accept()[0])
                transports.append(transport)
                transport.add_server_key(key)
                transport.start_server(threading.Event(), TwoProofs())

    thread = threading.Thread(target=serve)
    thread.start()
    host_key = f"{key.get_name()} {key.get_base64()}"
    yield {"port": listener.getsockname()[1], "username": USER, "host_key": host_key, "private_key": new_key().private}
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()
    for transport in transports:
        transport.close()


def test_a_server_that_wants_key_and_password_gets_both(two_proofs: dict[str, Any]) -> None:
    with pytest.raises(DeliveryRefused, match="wants more from user reports: password"):
        deliverer(**two_proofs).check(control())
    with pytest.raises(DeliveryRefused, match="lets user reports in, but offers no SFTP"):
        deliverer(**two_proofs, password=PASSWORD).check(control())
    with pytest.raises(DeliveryRefused, match="refused the login"):
        deliverer(**two_proofs, password="wrong").check(control())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"private_key": "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----"},
            "cannot be read",
        ),
        ({"private_key": SECRET}, "cannot be read"),
        ({"private_key": new_key().protected, "passphrase": "wrong"}, "cannot be read"),
        ({"private_key": new_key().protected}, "protected by a passphrase"),
    ],
)
def test_a_key_that_cannot_be_used_is_refused_without_repeating_it(
    faulty: RemoteFolder, changes: dict[str, Any], words: str
) -> None:
    config = {name: value for name, value in faulty.config.items() if name != "password"}
    with pytest.raises(DeliveryRefused, match=f"^Login: .*{words}") as caught:
        deliverer(**config, **changes).check(control())
    assert SECRET not in str(caught.value) + str(caught.value.hint)


def test_a_server_that_asks_for_the_password_gets_it(faulty: RemoteFolder, asyncssh_server: AsyncsshServer) -> None:
    asyncssh_server.methods = ("keyboard-interactive",)
    assert faulty.deliverer().check(control())


def test_a_kind_of_login_that_the_server_lacks_is_named(faulty: RemoteFolder, asyncssh_server: AsyncsshServer) -> None:
    asyncssh_server.methods = ("publickey",)
    with pytest.raises(DeliveryRefused, match="does not take this kind of login, but publickey"):
        faulty.deliverer().check(control())


def test_a_login_needs_a_proof_and_a_host_key() -> None:
    good = {"host": "files.example.com", "username": "reports", "password": "x", "host_key": new_key().public}
    SftpConfig.model_validate(good)
    for wrong in (
        {"password": None},
        {"host_key": "x"},
        {"host": "a b"},
        {"host": "sftp://files.example.com"},
        {"folder": "../up"},
        {"folder": "a\\b"},
        {"folder": "{nothing}"},
        {"folder": "a\nb"},
        {"overwrite": "keep_both", "read_back": False},
    ):
        with pytest.raises(ValidationError):
            SftpConfig.model_validate({**good, **wrong})
    with pytest.raises(ValidationError):
        SftpConfig.model_validate({name: value for name, value in good.items() if name != "host_key"})
