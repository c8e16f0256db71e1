"""Private keys as people paste them: OpenSSH, PKCS#1, SEC1 or PKCS#8, with or without a passphrase."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from pydantic import SecretStr

from shared.errors import DeliveryRefused

if TYPE_CHECKING:
    import paramiko


def private_key(text: SecretStr, passphrase: SecretStr | None) -> paramiko.PKey:
    """The key in the driver's form.

    Raises:
        DeliveryRefused: it cannot be read; the message repeats nothing of it.
    """
    import paramiko
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = _loaded(text, passphrase)
    kind: type[paramiko.PKey]
    # The driver reads only some of the forms, so it gets the one that it knows of each type.
    if isinstance(key, ed25519.Ed25519PrivateKey):
        kind, form = paramiko.Ed25519Key, PrivateFormat.OpenSSH
    elif isinstance(key, rsa.RSAPrivateKey):
        kind, form = paramiko.RSAKey, PrivateFormat.TraditionalOpenSSL
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        kind, form = paramiko.ECDSAKey, PrivateFormat.TraditionalOpenSSL
    else:
        raise DeliveryRefused(
            "Login: the private key is of a kind that is not used any more.", hint="Make an Ed25519 key."
        )
    return kind.from_private_key(io.StringIO(key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()))


def _loaded(text: SecretStr, passphrase: SecretStr | None) -> object:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    pem = (text.get_secret_value().strip() + "\n").encode()
    password = passphrase.get_secret_value().encode() if passphrase else None
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in pem[:60] else load_pem_private_key
    try:
        return load(pem, password)
    except TypeError as error:
        if password is not None:  # a passphrase for a key that has none
            return _loaded(text, None)
        raise DeliveryRefused(
            "Login: the private key is protected by a passphrase.", hint="Enter it as `passphrase`."
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise DeliveryRefused(
            "Login: the private key cannot be read.",
            hint="Paste the whole file (Ed25519, ECDSA or RSA), and check `passphrase` if it has one.",
        ) from error
