"""MySQL's and MariaDB's errors in our words; the layer that failed is named."""

from __future__ import annotations

import re
import ssl

from shared.errors import SourceRejected, SourceUnavailable

_LOGIN = {1045, 1698, 1251, 2059, 4151}
_DATABASE = {1044, 1049}
_BUSY = {1040, 1053, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1226, 2003, 2006, 2013, 4031}
_ENDED = {1317, 1969, 3024}


def translate(error: Exception) -> Exception:
    """The error to raise."""
    import pymysql

    if isinstance(error, ssl.SSLError):
        return SourceRejected(
            "TLS: no secure connection could be made.",
            hint="Check `tls` and `ca_certificate`; the server's certificate may not be trusted.",
        )
    if isinstance(error, OSError):
        return SourceUnavailable("Network: the connection to the server broke.", hint="Check host, port and firewalls.")
    if not isinstance(error, pymysql.MySQLError):
        return error
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    message = str(error.args[1])[:500] if len(error.args) > 1 else str(error)[:500]
    if code in _LOGIN:
        return SourceRejected("Login: the server refused the login.", hint="Check user and password.")
    if code in _DATABASE:
        return SourceRejected("Database: it does not exist, or the login may not use it.", hint="Check `database`.")
    if "SSL" in message and "support" in message:
        return SourceRejected("TLS: the server does not offer it.", hint="Set `tls` to prefer or disable.")
    if code in _ENDED:
        return SourceRejected("The server ended the statement.", hint=message)
    if code in _BUSY or code == 0:
        return SourceUnavailable("The server cannot run the query right now.", hint=message)
    line = re.search(r"at line (\d+)", message)
    return SourceRejected("The server refused the query.", hint=message, line=int(line[1]) if line else None)
