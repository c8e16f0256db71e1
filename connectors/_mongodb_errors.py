"""MongoDB's errors in our words; the layer that failed is named."""

from __future__ import annotations

import ssl

from shared.errors import SourceRejected, SourceUnavailable

_LOGIN = {11, 18, 334}
_NOT_ALLOWED = {13}
_ENDED = {50}
_STOPPED = {43, 237, 11600, 11601, 91, 262}
_BUSY = {6, 7, 89, 189, 9001, 10107, 11602, 13435, 13436, 112, 202, 279, 462}


def translate(error: Exception) -> Exception:
    """The error to raise."""
    from bson.errors import BSONError
    from pymongo.errors import ConfigurationError, ConnectionFailure, InvalidName, OperationFailure, PyMongoError

    if isinstance(error, ssl.SSLError):
        return SourceRejected(
            "TLS: no secure connection could be made.",
            hint="Check `tls` and `ca_certificate`; the server may offer none, or its certificate is not trusted.",
        )
    if isinstance(error, OperationFailure):
        return _refused(error.code or 0, str((error.details or {}).get("errmsg") or error)[:500])
    if isinstance(error, (OSError, ConnectionFailure)):
        return SourceUnavailable("Network: the connection to the server broke.", hint="Check host, port and firewalls.")
    if isinstance(error, (BSONError, OverflowError)):
        return SourceRejected("The query has a value that MongoDB cannot hold.", hint=str(error)[:300])
    if isinstance(error, InvalidName):
        return SourceRejected("The name of the database or of the collection is not one.", hint=str(error)[:300])
    if isinstance(error, ConfigurationError):
        return SourceRejected("Login: the server offers no login that is supported.", hint=str(error)[:300])
    if isinstance(error, PyMongoError):
        return SourceUnavailable("The server cannot run the query right now.", hint=str(error)[:300])
    return error


def _refused(code: int, message: str) -> Exception:
    if code in _LOGIN or (code in _NOT_ALLOWED and "requires authentication" in message):
        return SourceRejected("Login: the server refused the login.", hint="Check user, password and auth_source.")
    if code in _NOT_ALLOWED:
        return SourceRejected("The login may not read this.", hint=f"Grant it `find` on the collection. {message}")
    if code in _ENDED:
        return SourceRejected("The server ended the query, because it took too long.", hint=message)
    if code in _STOPPED or code in _BUSY:
        return SourceUnavailable("The server stopped the query or cannot run it right now.", hint=message)
    return SourceRejected("The server refused the query.", hint=message)
