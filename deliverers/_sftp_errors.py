"""What the errors of SSH and SFTP mean for a delivery; each message begins with the layer that failed."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from shared.errors import DeliveryError, DeliveryRefused, DeliveryUnavailable
from shared.plugins import Control


@contextlib.contextmanager
def translated(host: str, control: Control) -> Iterator[None]:
    """Turn errors of the driver inside the block into ours."""
    import paramiko

    try:
        yield
    except (paramiko.SSHException, OSError, EOFError) as error:
        control.check()  # a cancelled session looks like a broken one
        raise sftp_error(host, error) from error


def sftp_error(host: str, error: Exception) -> DeliveryError:
    """A wrong login and a missing right will not get better; a lost connection and a full disk may."""
    import paramiko

    if isinstance(error, paramiko.AuthenticationException):
        return _login_error(host, error)
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        return DeliveryRefused(
            f"Host key: {host} and this server have no method in common: {error}.",
            hint="Check that the type of `host_key` is one that the server has (ssh-keyscan lists them).",
        )
    if isinstance(error, OSError) and error.errno == errno.ENOENT:
        return DeliveryRefused(
            f"Folder: {host} has no such folder.", hint="Check `folder`; create_folder has it created."
        )
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM):
        return DeliveryRefused(
            f"Folder: {host} does not let this user do that in the folder.",
            hint="Have the user get the right to create, rename and read files there; read_back can be switched off.",
        )
    if isinstance(error, TimeoutError):
        return DeliveryUnavailable(f"Network: {host} does not answer.", hint="It is tried again; see `timeout`.")
    if isinstance(error, OSError) and error.errno is None and str(error) not in ("", "Socket is closed"):
        return DeliveryUnavailable(
            f"Folder: {host} could not store the file ({error}).",
            hint="Ask the server's operator whether the disk or the quota is full.",
        )
    return DeliveryUnavailable(f"Network: the connection to {host} broke.", hint="It is tried again.")


def _login_error(host: str, error: Exception) -> DeliveryError:
    import paramiko

    if isinstance(error, paramiko.BadAuthenticationType):
        return DeliveryRefused(
            f"Login: the SFTP server {host} does not take this kind of login, but {' or '.join(error.allowed_types)}.",
            hint="Give a private key instead of a password, or the other way round.",
        )
    if "timeout" in str(error) or "EOF" in str(error):
        return DeliveryUnavailable(f"Login: {host} ended the connection during the login.", hint="It is tried again.")
    return DeliveryRefused(
        f"Login: the SFTP server {host} refused the login.",
        hint="Check `username` and the password or private key; ask the server's operator whether the user is locked.",
    )
