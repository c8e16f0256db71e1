"""Secrets at rest: envelope encryption with rotating keys, and references to secrets kept elsewhere.

Each secret has its own AES-256-GCM data key; the data key is wrapped with the key-encryption key, whose id is stored
beside it, so that keys can rotate without reading the secrets. The associated data binds a secret to its place
(tenant, table, field): a ciphertext that was copied to another row does not open.

Stored form: `v1.<key id>.<wrapped data key>.<ciphertext>`, the last two base64url of nonce + AES-GCM output.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.errors import ServiceUnavailable
from shared.settings import Settings

_NONCE = 12
_KEY_LENGTH = 64


class Vault:
    """Encrypts and decrypts. The first key encrypts; all keys can decrypt."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = {_key_id(key): _derive(key, b"report-hub key encryption") for key in keys}
        self._current = _key_id(keys[0])
        self._service_key = _derive(keys[0], b"report-hub service identity")

    def encrypt(self, secret: str, place: str) -> str:
        """Encrypt for one place, for example `default/report_datasources/password`."""
        data_key = AESGCM.generate_key(256)
        associated = place.encode()
        wrapped = _seal(self._keys[self._current], data_key, associated)
        return ".".join(("v1", self._current, wrapped, _seal(data_key, secret.encode(), associated)))

    def decrypt(self, stored: str, place: str) -> str:
        """Raises ServiceUnavailable when the key is not known to this server or the value was tampered with."""
        associated = place.encode()
        try:
            version, key_id, wrapped, sealed = stored.split(".")
            if version != "v1":
                raise ValueError(version)
            data_key = _open(self._keys[key_id], wrapped, associated)
            return _open(data_key, sealed, associated).decode()
        except (KeyError, ValueError, InvalidTag) as error:
            raise ServiceUnavailable(
                "A stored secret cannot be decrypted with the key of this server.",
                hint="Start with the REPORT_HUB_SECRET_KEY that was used when the secret was saved, or save it again.",
            ) from error

    @property
    def service_key(self) -> bytes:
        """Key that signs calls between the services; known to every process that has the secret key."""
        return self._service_key


def open_vault(settings: Settings) -> Vault:
    """The vault with the key from the setting, or from `secret.key` (0600) in the data folder, made on first use."""
    if settings.secret_key is not None:
        return Vault([settings.secret_key.get_secret_value()])
    return Vault([_key_file(settings.data_dir / "secret.key")])


def _key_file(path: Path) -> str:
    try:
        if not path.exists():
            _make_key_file(path)
        if path.stat().st_mode & 0o077:
            raise ServiceUnavailable(
                f"The key file {path} can be read by other users of this machine.", hint=f"chmod 600 {path}"
            )
        key = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ServiceUnavailable(
            f"The key file {path} cannot be read or made ({error.strerror}).",
            hint="Set REPORT_HUB_DATA_DIR to a folder that belongs to the user of the services.",
        ) from error
    if len(key) < _KEY_LENGTH:
        raise ServiceUnavailable(
            f"The key file {path} is damaged: it holds no whole key.",
            hint="Restore it from the backup; without it the stored secrets cannot be decrypted.",
        )
    return key


def _make_key_file(path: Path) -> None:
    """The file appears whole or not at all; when several processes start at once, the first one's key counts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(_KEY_LENGTH // 2))
            file.flush()
            os.fsync(file.fileno())  # a key that is lost in a power cut takes all secrets with it
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()


def _key_id(key: str) -> str:
    return hashlib.sha256(b"id:" + key.encode()).hexdigest()[:8]


def _derive(key: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose).derive(key.encode())


def _seal(key: bytes, data: bytes, associated: bytes) -> str:
    nonce = os.urandom(_NONCE)
    return base64.urlsafe_b64encode(nonce + AESGCM(key).encrypt(nonce, data, associated)).decode()


def _open(key: bytes, sealed: str, associated: bytes) -> bytes:
    raw = base64.urlsafe_b64decode(sealed)
    return AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], associated)
